"""The workflow's config: what `configs/*.yaml` may say, checked as a whole before anything is planned."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from genomelm.data.manifest import Manifest, read_manifest
from genomelm.errors import GenomelmError, InputError, UsageError
from genomelm.scoring.tags import Tags
from genomelm.seq.interval import Interval
from genomelm.settings import from_mapping, read_config, setting
from genomelm.tasks.config import TaskConfig
from genomelm.training.config import TrainConfig

# Rules hand these texts to a shell: nothing that a shell would act on may be in them.
REGION = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.*-]*:[1-9][0-9,]*-[1-9][0-9,]*(:[+-])?")
FILE = re.compile(r"[0-9A-Za-z_./][0-9A-Za-z_./+=-]*")
NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")
PRETRAIN = "pretrain"
RESERVED = {"language_model", "ablation"}
"""Files beside those of the tasks in the results' folder evaluate/: no task may be called so."""


@dataclasses.dataclass(frozen=True)
class PatchConfig:
    """How the genome is cut into patches."""

    mean: float = setting(8.0, "mean patch length in bases", minimum=1)
    order: int = setting(11, "context length of the count model", minimum=1, maximum=12)


@dataclasses.dataclass(frozen=True)
class TaskUse:
    """One task to fine-tune on: its files, and its data."""

    task: str = setting(help="task file (YAML)")
    train: str = setting(help="training file (YAML)")
    data: str = setting(help="name of the labelled data in the manifest")
    split: str | None = setting(None, "name of the split table in the manifest")


@dataclasses.dataclass(frozen=True)
class ScoreConfig:
    """One set of variants to score: a VCF, or every single-base change of an interval."""

    genome: str = setting(help="name of the reference in the manifest")
    model: str = setting(PRETRAIN, "'pretrain' or the name of a task, whose first seed is used")
    variants: str | None = setting(None, "name of the VCF in the manifest")
    saturate: str | None = setting(None, "interval C:a-b (1-based, inclusive) to score every single-base change of")
    regions: str | None = setting(None, "name of a BED file in the manifest: only these variants")
    window: str | None = setting(None, "fixed model window C:a-b, with :- for the reverse strand")


@dataclasses.dataclass(frozen=True)
class InterpretConfig:
    """One interval to explain with a task's models."""

    task: str = setting(help="name of the task; all its seeds are used")
    interval: str = setting(help="interval C:a-b, with :- for the reverse strand")
    sites: str | None = setting(None, "name of a table of known sites in the manifest")


@dataclasses.dataclass(frozen=True)
class WorkflowConfig:
    """Everything that the workflow's rules are told."""

    results: str = setting(help="folder for all results")
    manifest: str = setting(help="data manifest (TSV)")
    genome: str = setting(help="name of the genome in the manifest")
    train_regions: tuple[str, ...] = setting(help="intervals C:a-b (1-based, inclusive) to train on")
    test_regions: tuple[str, ...] = setting(help="intervals C:a-b that are held out")
    model: str = setting(help="model file (YAML)")
    pretrain: str = setting(help="training file of the language model (YAML)")
    device: str = setting("auto", "where models run", choices=("auto", "cpu", "cuda", "tpu"))
    threads: int = setting(2, "threads of a job that can use several", minimum=1)
    seeds: tuple[int, ...] = setting((1,), "a model is fine-tuned for each seed")
    patch: PatchConfig = setting(help="patching", factory=PatchConfig)
    tasks: dict[str, TaskUse] = setting(help="tasks by name", factory=dict)
    scores: dict[str, ScoreConfig] = setting(help="variant sets by name", factory=dict)
    interpret: dict[str, InterpretConfig] = setting(help="explained intervals by name", factory=dict)

    def model_of(self, name: str) -> str:
        """Return the folder, below the results, of the model called `name` (pretrain or a task: its first seed)."""
        return f"{PRETRAIN}/model" if name == PRETRAIN else f"finetune/{name}/seed{self.seeds[0]}/model"

    def data_names(self) -> set[str]:
        """Return the manifest names of all files that the workflow uses."""
        return {name for _, name, _ in _data_uses(self)}


def any_of(names: Iterable[str]) -> str:
    """Return the regular expression of a wildcard that is one of `names`; with no names it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def read_workflow_config(mapping: dict[str, Any], root: str | Path = ".") -> tuple[WorkflowConfig, Manifest]:
    """Check a config mapping, and the files that it names, and return it with its manifest.

    Task and training files are read too, so that a fault in them stops a run before it starts. The
    model file is left to `genomelm pretrain`: its checks need torch.

    Args:
        mapping: the config as read from YAML. Keys that Snakemake itself knows are left out.
        root: folder in which files are looked for that are not in the working directory. In the
            config that is returned, their paths are below it.

    Raises:
        UsageError: with all faults at once.
    """
    mapping = {key: value for key, value in mapping.items() if key != "pathvars"}
    config = _located(from_mapping(WorkflowConfig, mapping, source="workflow config"), Path(root))
    found = _text_faults(config) + _region_faults(config) + _path_faults(config) + _content_faults(config)
    manifest = None
    try:
        manifest = read_manifest(config.manifest)
    except UsageError as error:
        found.append(_told("manifest", error))
    if manifest is not None:
        found += _data_faults(config, manifest)
    if found:
        raise UsageError(
            f"workflow config: {len(found)} {'fault' if len(found) == 1 else 'faults'}\n  " + "\n  ".join(found)
        )
    return config, manifest


def _located(config: WorkflowConfig, root: Path) -> WorkflowConfig:
    """Return the config with each path that is not in the working directory, but below `root`, resolved."""

    def located(path: str) -> str:
        return str(root / path) if not Path(path).exists() and (root / path).exists() else path

    return dataclasses.replace(
        config,
        manifest=located(config.manifest),
        model=located(config.model),
        pretrain=located(config.pretrain),
        tasks={
            name: dataclasses.replace(use, task=located(use.task), train=located(use.train))
            for name, use in config.tasks.items()
        },
    )


def _text_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of names, seeds and references between parts."""
    found = [f"seeds: {seed} is not 0 or more" for seed in config.seeds if seed < 0]
    if not config.seeds:
        found.append("seeds: at least one is needed")
    if len(set(config.seeds)) < len(config.seeds):
        found.append("seeds: a seed appears twice")
    for part in ("tasks", "scores", "interpret"):
        for name in getattr(config, part):
            if not NAME.fullmatch(name) or name == PRETRAIN:
                found.append(f"{part}.{name}: a name has letters, digits, '_' and '.' only, and is not '{PRETRAIN}'")
    found += [f"tasks.{name}: this name is reserved; rename the task" for name in sorted(RESERVED & set(config.tasks))]
    for name, score in config.scores.items():
        if (score.variants is None) == (score.saturate is None):
            found.append(f"scores.{name}: give either variants or saturate")
        if score.model != PRETRAIN and score.model not in config.tasks:
            found.append(f"scores.{name}.model: '{score.model}' is neither '{PRETRAIN}' nor a task")
    for name, locus in config.interpret.items():
        if locus.task not in config.tasks:
            found.append(f"interpret.{name}.task: '{locus.task}' is not a task")
    return found


def _region_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of intervals; training and held-out ones must be there and share no base."""
    texts = [
        (f"{key}.{i}", text) for key in ("train_regions", "test_regions") for i, text in enumerate(getattr(config, key))
    ]
    for name, score in config.scores.items():
        texts += [(f"scores.{name}.saturate", score.saturate), (f"scores.{name}.window", score.window)]
    texts += [(f"interpret.{name}.interval", locus.interval) for name, locus in config.interpret.items()]
    found = [f"{key}: at least one is needed" for key in ("train_regions", "test_regions") if not getattr(config, key)]
    intervals = {}
    for key, text in texts:
        if text is None:
            continue
        try:
            intervals[key] = Interval.parse(text)
        except InputError as error:
            found.append(f"{key}: {error}")
            continue
        if not REGION.fullmatch(text) or not len(intervals[key]):
            found.append(f"{key}: '{text}' is not an interval like chr1:101-200 or chr1:101-200:-")
    for train, trained in intervals.items():
        for test, tested in intervals.items():
            if train.startswith("train_") and test.startswith("test_") and tested.overlaps(trained):
                found.append(f"{test}: held-out {tested} shares bases with {train} {trained}")
    return found


def _files(config: WorkflowConfig) -> dict[str, str]:
    """Return config key -> path of the files that configure the models and tasks."""
    named = {"model": config.model, "pretrain": config.pretrain}
    for name, use in config.tasks.items():
        named |= {f"tasks.{name}.task": use.task, f"tasks.{name}.train": use.train}
    return named


def _path_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of paths as such."""
    named = _files(config)
    found = [f"{key}: file {path} does not exist" for key, path in named.items() if not Path(path).is_file()]
    named |= {"results": config.results, "manifest": config.manifest}
    plain = "letters, digits and . _ + = - / only"
    return found + [f"{key}: '{path}' must be of {plain}" for key, path in named.items() if not FILE.fullmatch(path)]


def _content_faults(config: WorkflowConfig) -> list[str]:
    """Return faults inside the task and training files that exist, and of tasks against them."""
    found, read = [], {}
    for key, path in _files(config).items():
        if key == "model" or not Path(path).is_file():
            continue
        try:
            read[key] = read_config(TaskConfig if key.endswith(".task") else TrainConfig, path)
        except UsageError as error:
            found.append(_told(key, error))
    if "pretrain" in read and read["pretrain"].steps is None:
        found.append(f"pretrain: {config.pretrain} has no steps")
    for name, use in config.tasks.items():
        task, train = read.get(f"tasks.{name}.task"), read.get(f"tasks.{name}.train")
        if train is not None and train.steps is None and train.epochs is None:
            found.append(f"tasks.{name}.train: {use.train} has neither steps nor epochs")
        if task is not None:
            found += [f"tasks.{name}.{fault}" for fault in _task_faults(task, use)]
    return found


def _task_faults(task: TaskConfig, use: TaskUse) -> list[str]:
    """Return what would stop a task after its model was trained."""
    found = []
    if not NAME.fullmatch(task.name):
        found.append(f"task: name '{task.name}' in {use.task} needs letters, digits, '_' and '.' only, no digit first")
    else:
        try:
            Tags.named(task.name.upper(), "GLM")
        except UsageError as error:
            found.append(f"task: {use.task}: {error}")
    if task.source == "table" and use.split is None:
        found.append(f"split: {use.task} reads a table, which is split by a file: name one of the manifest")
    if task.source == "table" and not (task.label_column or task.bin_columns):
        found.append(f"task: {use.task} names neither label_column nor bin_columns")
    return found


def _told(key: str, error: UsageError) -> str:
    """Return a fault, its further lines below it."""
    return f"{key}: {error}".replace("\n", "\n  ")


def _data_uses(config: WorkflowConfig) -> list[tuple[str, str, str | None]]:
    """Return (config key, manifest name, needed kind or None) for each file that the config uses."""
    uses = [("genome", config.genome, "genome")]
    for name, task in config.tasks.items():
        uses += [(f"tasks.{name}.data", task.data, None), (f"tasks.{name}.split", task.split, "assay")]
    for name, score in config.scores.items():
        uses += [
            (f"scores.{name}.genome", score.genome, "genome"),
            (f"scores.{name}.variants", score.variants, "variants"),
        ]
        uses.append((f"scores.{name}.regions", score.regions, "annotation"))
    for name, locus in config.interpret.items():
        uses.append((f"interpret.{name}.sites", locus.sites, "motifs"))
    return [(key, name, kind) for key, name, kind in uses if name is not None]


def _data_faults(config: WorkflowConfig, manifest: Manifest) -> list[str]:
    found = []
    for key, name, kind in _data_uses(config):
        try:
            row = manifest.row(name)
        except GenomelmError as error:
            found.append(f"{key}: {error}")
            continue
        if kind is not None and row.kind != kind:
            found.append(f"{key}: '{name}' is of kind {row.kind}, but {kind} is needed")
    return found
