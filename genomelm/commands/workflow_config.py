"""The workflow's config: what `configs/*.yaml` may say, and where the results of each part lie."""

import dataclasses
import os
import re
from collections.abc import Iterable
from pathlib import Path

from genomelm.commands.workflow_data_file import source_files
from genomelm.commands.workflow_parts import (
    DATA,
    AssayConfig,
    BackgroundConfig,
    InterpretConfig,
    ModelUse,
    PatchConfig,
    ScoreConfig,
    TaskUse,
)
from genomelm.settings import setting

SHARD_SIZE = 50_000
"""Records that a scoring job takes, unless the config says another number."""

MODEL_FILES = ("config.json", "model.safetensors", "patcher/patcher.json")
"""Files of a model's folder that the training rules declare; of one that was given, all files count."""

PATCH_FILES = ("summary.json", "patcher/patcher.json", "store/store.json")
"""Files of a patching's folder that others read."""


@dataclasses.dataclass(frozen=True)
class WorkflowConfig:
    """Everything that the workflow's rules are told."""

    results: str = setting(help="folder for all results")
    models: dict[str, ModelUse] = setting(help="models by name")
    manifest: str = setting("data_manifests", "data manifest (TSV), or a folder of them")
    genome: str | None = setting(None, f"genome of all that names none: {DATA}")
    train_regions: tuple[str, ...] = setting((), "intervals C:a-b (1-based, inclusive) to train on")
    test_regions: tuple[str, ...] = setting((), "intervals C:a-b that are held out")
    device: str = setting("auto", "where models run", choices=("auto", "cpu", "cuda", "tpu"))
    threads: int = setting(2, "threads of a job that can use several", minimum=1)
    seeds: tuple[int, ...] = setting((1,), "a model is trained on a task once for each seed")
    patches: dict[str, PatchConfig] = setting(help="patchings by name", factory=dict)
    tasks: dict[str, TaskUse] = setting(help="tasks by name", factory=dict)
    assays: dict[str, AssayConfig] = setting(help="tables of measured variants by name", factory=dict)
    backgrounds: dict[str, BackgroundConfig] = setting(help="background variants by name", factory=dict)
    scores: dict[str, ScoreConfig] = setting(help="variant sets by name", factory=dict)
    shard_size: int = setting(SHARD_SIZE, "records a scoring job; a VCF with no more is one job", minimum=1)
    interpret: dict[str, InterpretConfig] = setting(help="explained intervals and regions by name", factory=dict)
    sheet: str | None = setting(None, "sample sheet (TSV): more tasks, scores and explained intervals, one a row")

    def pretrained(self) -> list[str]:
        """Return the names of the models that are pretrained on the genome."""
        return [name for name, use in self.models.items() if use.pretrained]

    def given(self) -> list[str]:
        """Return the names of the models that were trained before."""
        return [name for name, use in self.models.items() if use.given]

    def from_scratch(self) -> list[str]:
        """Return the names of the models that only their tasks train."""
        return [name for name, use in self.models.items() if not (use.pretrained or use.given)]

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

    def folders(self, model: str, task: str | None = None) -> list[str]:
        """Return the model folders that commands are given: one a seed of a task, or the one without a task."""
        if task is None and self.models[model].given:
            return [plain_path(self.models[model].folder)]
        return [f"{run}/model" for run in self.runs(model, task)]

    def model_inputs(self, model: str, task: str | None = None) -> list[str]:
        """Return the files in `folders`, config.json first; of a model that was trained before, all that it has."""
        if task is None and self.models[model].given:
            return folder_files(plain_path(self.models[model].folder))
        return model_files(self.folders(model, task))

    def start(self, model: str) -> str:
        """Return what a model's runs on tasks start from: a trained model's folder, or its model file."""
        use = self.models[model]
        return self.folders(model)[0] if use.pretrained or use.given else use.model

    def start_files(self, model: str) -> list[str]:
        """Return the files that `start` stands for; a pretrained model's metrics say where it was trained."""
        use = self.models[model]
        if not (use.pretrained or use.given):
            return [use.model]
        return [*self.model_inputs(model), *([] if use.given else [f"{self.runs(model)[0]}/metrics.json"])]

    def fitted_files(self, patches: str) -> list[str]:
        """Return the files of the patching that another one applies; none where it fits its own."""
        fitted = self.patches[patches].fitted
        return [] if fitted is None else [f"{self.results}/patch/{fitted}/{part}" for part in PATCH_FILES]

    def patch_options(self, patches: str) -> str:
        """Return how `genomelm patch` is told to cut."""
        use = self.patches[patches]
        return use.options if use.fitted is None else f"--fitted {self.results}/patch/{use.fitted}"

    def pretrain_files(self, model: str) -> list[str]:
        """Return the data that a model is pretrained on, and the patches that it is measured with."""
        use = self.models[model]
        patches = [use.patches]
        if use.data is None:
            genome = self.genome_of(self.patches[use.patches])
            files = [self.data(genome), *self.index(genome, ".fai")]
        else:
            named = source_files(use.data)
            start = f"{self.results}/patch/"
            patches += [path[len(start) :].strip("/") for _, path, folder in named if folder and path.startswith(start)]
            files = [use.data, *(path for _, path, folder in named if not folder)]
        made = [f"{self.results}/patch/{name}/{part}" for name in dict.fromkeys(patches) for part in PATCH_FILES]
        return [*files, *made]

    def pretrain_options(self, model: str) -> str:
        """Return how `genomelm pretrain` is told of its data."""
        use = self.models[model]
        if use.data is not None:
            return f"--data {use.data}"
        genome = self.data(self.genome_of(self.patches[use.patches]))
        regions = [f"--train-region {region}" for region in self.train_of(use.patches)]
        regions += [f"--test-region {region}" for region in self.test_of(use.patches)]
        return f"--genome {genome} --patches {self.results}/patch/{use.patches} {' '.join(regions)}"

    def data(self, name: str | None) -> str | list[str]:
        """Return where a data file lies: below results what manifest or `assays` name, else the path; [] for none."""
        if name is None:
            return []
        if name in self.assays:
            return f"{self.results}/assays/{name}.vcf.gz"
        return plain_path(name) if is_path(name) else f"{self.results}/data/{name}"

    def index(self, name: str | None, suffix: str) -> list[str]:
        """Return the index that a manifest's file has; a path's own is made by the first job that reads it."""
        return [] if name is None or is_path(name) else [f"{self.data(name)}{suffix}"]

    def genome_of(self, use: PatchConfig | TaskUse | BackgroundConfig | ScoreConfig | InterpretConfig) -> str | None:
        """Return the name of the genome of an entry."""
        return use.genome or self.genome

    def train_of(self, patches: str) -> tuple[str, ...]:
        """Return the intervals that a patching, and its models, are trained on."""
        use = self.patches[patches]
        return use.train_regions or (() if use.genome else self.train_regions)

    def test_of(self, patches: str) -> tuple[str, ...]:
        """Return the intervals that a patching, and its models, are measured on."""
        use = self.patches[patches]
        return use.test_regions or (() if use.genome else self.test_regions)

    def data_names(self) -> set[str]:
        """Return the manifest names of all files that the workflow uses; a background without a score is not made."""
        named = {f"backgrounds.{score.background}." for score in self.scores.values()}
        return {
            name
            for key, name, _ in self.data_uses()
            if not is_path(name)
            and name not in self.assays
            and (not key.startswith("backgrounds.") or key.startswith(tuple(named)))
        }

    def data_uses(self) -> list[tuple[str, str, str | None]]:
        """Return (config key, name or path, needed kind or None) for each data file that the config uses."""
        uses = [("genome", self.genome, "genome")]
        for name, patching in self.patches.items():
            uses.append((f"patches.{name}.genome", patching.genome, "genome"))
        for name, model in self.models.items():
            files = source_files(model.data) if model.data else []
            start = f"{self.results}/data/"
            uses += [
                (f"models.{name}.data: {key}", file[len(start) :], None)
                for key, file, _ in files
                if file.startswith(start)
            ]
        for name, task in self.tasks.items():
            key = f"tasks.{name}"
            uses += [(f"{key}.data", task.data, None), (f"{key}.split", task.split, "assay")]
            uses += [(f"{key}.genome", task.genome, "genome"), (f"{key}.labels", task.labels, "assay")]
        for name, assay in self.assays.items():
            uses += [(f"assays.{name}.table", assay.table, "assay"), (f"assays.{name}.genome", assay.genome, "genome")]
        for name, background in self.backgrounds.items():
            key = f"backgrounds.{name}"
            uses += [
                (f"{key}.genome", background.genome, "genome"),
                (f"{key}.variants", background.variants, "variants"),
            ]
        for name, score in self.scores.items():
            key = f"scores.{name}"
            uses += [(f"{key}.genome", score.genome, "genome"), (f"{key}.variants", score.variants, "variants")]
            uses.append((f"{key}.regions", score.regions, "annotation"))
        for name, entry in self.interpret.items():
            key = f"interpret.{name}"
            uses += [(f"{key}.genome", entry.genome, "genome"), (f"{key}.regions", entry.regions, "annotation")]
            uses += [(f"{key}.{part}", file, "motifs") for part, file in [("sites", entry.sites)]]
            uses += [(f"{key}.motifs.{i}", file, "motifs") for i, file in enumerate(entry.motifs)]
        return [(key, name, kind) for key, name, kind in uses if name is not None]

    def files(self) -> dict[str, str]:
        """Return config key -> path of the files that configure the models and tasks."""
        named = {
            f"models.{name}.{key}": path
            for name, use in self.models.items()
            for key in ("model", "train", "data")
            if (path := getattr(use, key)) is not None
        }
        for name, task in self.tasks.items():
            named |= {f"tasks.{name}.task": task.task, f"tasks.{name}.train": task.train}
        return named

    def located(self, root: Path) -> "WorkflowConfig":
        """Return the config with each path that is not in the working directory, but below `root`, resolved."""

        def there(path: str | None) -> str | None:
            return str(root / path) if path and not Path(path).exists() and (root / path).exists() else path

        def each(use: ModelUse | TaskUse, *keys: str) -> ModelUse | TaskUse:
            return dataclasses.replace(use, **{key: there(getattr(use, key)) for key in keys})

        return dataclasses.replace(
            self,
            manifest=there(self.manifest),
            models={name: each(use, "model", "train", "data") for name, use in self.models.items()},
            tasks={name: each(use, "task", "train") for name, use in self.tasks.items()},
        )


def is_path(name: str) -> bool:
    """Tell whether a data file is named by its path, and not by its name in the manifest."""
    return "/" in name


def plain_path(name: str) -> str:
    """Return a path without a leading `./`, which tells a file of one's own here, and of which Snakemake warns."""
    return name.removeprefix("./")


def is_unordered(name: str) -> bool:
    """Tell whether a VCF may have its records in any order: one of your own, without an index, which needs order."""
    return is_path(name) and not any(Path(f"{name}{suffix}").is_file() for suffix in (".tbi", ".csi"))


def model_files(folders: Iterable[str]) -> list[str]:
    """Return the files of the models in these folders; the folder of the first file is the first model's."""
    return [f"{folder}/{name}" for folder in folders for name in MODEL_FILES]


def folder_files(folder: str) -> list[str]:
    """Return all files below a model's folder, config.json first: weights, patchers, tokenizers; no hidden ones."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.join(place, name) for name in files if not name.startswith(".")]
    return sorted(found, key=lambda file: (file != os.path.join(folder, "config.json"), file))


def any_of(names: Iterable[str]) -> str:
    """Return the regular expression of a wildcard that is one of `names`; with no names it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"
