"""The workflow's config: what `configs/*.yaml` may say, and where the results of each part lie."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

from genomelm.patching.parameters import PARAMETERS, SCORED
from genomelm.settings import setting

# No causal model may have the optimum of its own bytes' scores, no masked one any scores of them: not optimal.
MODES = tuple(mode for mode in PARAMETERS if mode not in ("optimal", "given"))


@dataclasses.dataclass(frozen=True)
class PatchConfig:
    """One way to cut the genome into patches."""

    mode: str = setting("entropy", "how starts are chosen", choices=MODES)
    mean: float = setting(8.0, "mean patch length in bases", minimum=1)
    order: int = setting(11, "context length of the count model, for modes that read scores", minimum=1, maximum=12)
    min: int = setting(1, "fewest bases a patch (length_constrained)", minimum=1)
    max: int = setting(64, "most bases a patch (greedy, length_constrained)", minimum=1)
    multiple: int = setting(1, "patches have a multiple of so many bases (length_constrained)", minimum=1)
    delta: float = setting(0.0, "what the rise of the score must exceed (dual_threshold)")

    @property
    def reads_scores(self) -> bool:
        """Whether a base is needed to place the patches after it: what a masked model must not see."""
        return self.mode in SCORED

    @property
    def options(self) -> str:
        """What `genomelm patch` is told: the mode, its mean, and the parameters that it reads."""
        read = [name for name in ("min", "max", "multiple", "delta") if name in PARAMETERS[self.mode]]
        named = ["mode", "mean", *(["order"] if self.reads_scores else []), *read]
        return " ".join(f"--{name} {getattr(self, name)}" for name in named)


@dataclasses.dataclass(frozen=True)
class ModelUse:
    """One model: pretrained on the genome when it has patches and train, else trained from scratch by its tasks."""

    model: str = setting(help="model file (YAML)")
    patches: str | None = setting(None, "name of the patching; give train too")
    train: str | None = setting(None, "training file of the language model (YAML); give patches too")
    long_window: int | None = setting(None, "bases of one long window that is measured beside the others", minimum=16)

    @property
    def pretrained(self) -> bool:
        """Whether a language model is trained before the tasks."""
        return self.train is not None


@dataclasses.dataclass(frozen=True)
class TaskUse:
    """One labelled task: its files, its data, and the models that learn it."""

    task: str = setting(help="task file (YAML)")
    train: str = setting(help="training file (YAML)")
    data: str = setting(help="name of the labelled data in the manifest")
    models: tuple[str, ...] = setting(help="names of the models that learn it")
    split: str | None = setting(None, "name of the split table in the manifest")
    seeds: tuple[int, ...] = setting((), "seeds of its runs; none: those of the config")


@dataclasses.dataclass(frozen=True)
class ScoreConfig:
    """One set of variants to score: a VCF, or every single-base change of an interval."""

    genome: str = setting(help="name of the reference in the manifest")
    model: str = setting(help="name of the model")
    task: str | None = setting(None, "name of a task of the model, whose first seed is used; none: its language model")
    variants: str | None = setting(None, "name of the VCF in the manifest")
    saturate: str | None = setting(None, "interval C:a-b (1-based, inclusive) to score every single-base change of")
    regions: str | None = setting(None, "name of a BED file in the manifest: only these variants")
    window: str | None = setting(None, "fixed model window C:a-b, with :- for the reverse strand")


@dataclasses.dataclass(frozen=True)
class InterpretConfig:
    """One interval to explain."""

    model: str = setting(help="name of the model")
    interval: str = setting(help="interval C:a-b, with :- for the reverse strand")
    task: str | None = setting(None, "name of a task of the model, all its seeds are used; none: its language model")
    sites: str | None = setting(None, "name of a table of known sites in the manifest")


@dataclasses.dataclass(frozen=True)
class WorkflowConfig:
    """Everything that the workflow's rules are told."""

    results: str = setting(help="folder for all results")
    manifest: str = setting(help="data manifest (TSV)")
    genome: str = setting(help="name of the genome in the manifest")
    train_regions: tuple[str, ...] = setting(help="intervals C:a-b (1-based, inclusive) to train on")
    test_regions: tuple[str, ...] = setting(help="intervals C:a-b that are held out")
    models: dict[str, ModelUse] = setting(help="models by name")
    device: str = setting("auto", "where models run", choices=("auto", "cpu", "cuda", "tpu"))
    threads: int = setting(2, "threads of a job that can use several", minimum=1)
    seeds: tuple[int, ...] = setting((1,), "a model is trained on a task once for each seed")
    patches: dict[str, PatchConfig] = setting(help="patchings by name", factory=dict)
    tasks: dict[str, TaskUse] = setting(help="tasks by name", factory=dict)
    scores: dict[str, ScoreConfig] = setting(help="variant sets by name", factory=dict)
    interpret: dict[str, InterpretConfig] = setting(help="explained intervals by name", factory=dict)

    def pretrained(self) -> list[str]:
        """Return the names of the models that are pretrained on the genome."""
        return [name for name, use in self.models.items() if use.pretrained]

    def from_scratch(self) -> list[str]:
        """Return the names of the models that only their tasks train."""
        return [name for name, use in self.models.items() if not use.pretrained]

    def of_model(self, part: str, model: str) -> list[str]:
        """Return the names in `part` (tasks, scores or interpret) that use a model."""
        uses = getattr(self, part).items()
        return [name for name, use in uses if model in (use.models if part == "tasks" else (use.model,))]

    def seeds_of(self, task: str) -> tuple[int, ...]:
        """Return the seeds of a task's runs."""
        return self.tasks[task].seeds or self.seeds

    def runs(self, model: str, task: str | None = None) -> list[str]:
        """Return the folders of a model's runs on a task, one a seed, or the one of its pretraining."""
        folder = f"{self.results}/models/{model}"
        if task is None:
            return [f"{folder}/pretrain"]
        return [f"{folder}/finetune/{task}/seed{seed}" for seed in self.seeds_of(task)]

    def start(self, model: str) -> str:
        """Return what a model's runs on tasks start from: its pretrained model's folder, or its model file."""
        use = self.models[model]
        return f"{self.runs(model)[0]}/model" if use.pretrained else use.model

    def start_files(self, model: str) -> list[str]:
        """Return the files that `start` stands for; a pretrained model's metrics say where it was trained."""
        if not self.models[model].pretrained:
            return [self.models[model].model]
        runs = self.runs(model)
        return [*model_files(runs), f"{runs[0]}/metrics.json"]

    def data_names(self) -> set[str]:
        """Return the manifest names of all files that the workflow uses."""
        return {name for _, name, _ in self.data_uses()}

    def data_uses(self) -> list[tuple[str, str, str | None]]:
        """Return (config key, manifest name, needed kind or None) for each file that the config uses."""
        uses = [("genome", self.genome, "genome")]
        for name, task in self.tasks.items():
            uses += [(f"tasks.{name}.data", task.data, None), (f"tasks.{name}.split", task.split, "assay")]
        for name, score in self.scores.items():
            key = f"scores.{name}"
            uses += [(f"{key}.genome", score.genome, "genome"), (f"{key}.variants", score.variants, "variants")]
            uses.append((f"{key}.regions", score.regions, "annotation"))
        for name, locus in self.interpret.items():
            uses.append((f"interpret.{name}.sites", locus.sites, "motifs"))
        return [(key, name, kind) for key, name, kind in uses if name is not None]

    def files(self) -> dict[str, str]:
        """Return config key -> path of the files that configure the models and tasks."""
        named = {}
        for name, model in self.models.items():
            named[f"models.{name}.model"] = model.model
            if model.train is not None:
                named[f"models.{name}.train"] = model.train
        for name, task in self.tasks.items():
            named |= {f"tasks.{name}.task": task.task, f"tasks.{name}.train": task.train}
        return named

    def located(self, root: Path) -> "WorkflowConfig":
        """Return the config with each path that is not in the working directory, but below `root`, resolved."""

        def there(path: str | None) -> str | None:
            return str(root / path) if path and not Path(path).exists() and (root / path).exists() else path

        def both(use: ModelUse | TaskUse, key: str) -> ModelUse | TaskUse:
            return dataclasses.replace(use, **{key: there(getattr(use, key)), "train": there(use.train)})

        return dataclasses.replace(
            self,
            manifest=there(self.manifest),
            models={name: both(use, "model") for name, use in self.models.items()},
            tasks={name: both(use, "task") for name, use in self.tasks.items()},
        )


def model_files(runs: Iterable[str]) -> list[str]:
    """Return the files of the model in each run's folder; the folder of the first file is the first model's."""
    names = ("config.json", "model.safetensors", "patcher/patcher.json")
    return [f"{run}/model/{name}" for run in runs for name in names]


def any_of(names: Iterable[str]) -> str:
    """Return the regular expression of a wildcard that is one of `names`; with no names it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"
