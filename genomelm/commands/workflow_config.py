"""The workflow's config: what `configs/*.yaml` may say, checked as a whole before anything is planned."""

import dataclasses
import re
from pathlib import Path
from typing import Any

from genomelm.data.manifest import Manifest, read_manifest
from genomelm.errors import GenomelmError, UsageError
from genomelm.settings import from_mapping, setting

# Rules hand these texts to a shell: nothing that a shell would act on may be in them.
REGION = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.*-]*:[1-9][0-9,]*-[1-9][0-9,]*(:[+-])?")
FILE = re.compile(r"[0-9A-Za-z_./][0-9A-Za-z_./+=-]*")
NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")
PRETRAIN = "pretrain"


@dataclasses.dataclass(frozen=True)
class PatchConfig:
    """How the genome is cut into patches."""

    mean: float = setting(8.0, "mean patch length in bases", minimum=1)
    order: int = setting(11, "context length of the count model", minimum=1, maximum=12)


@dataclasses.dataclass(frozen=True)
class TaskConfig:
    """One task to fine-tune on."""

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
    tasks: dict[str, TaskConfig] = setting(help="tasks by name", factory=dict)
    scores: dict[str, ScoreConfig] = setting(help="variant sets by name", factory=dict)
    interpret: dict[str, InterpretConfig] = setting(help="explained intervals by name", factory=dict)

    def model_of(self, name: str) -> str:
        """Return the folder, below the results, of the model called `name` (pretrain or a task: its first seed)."""
        return f"{PRETRAIN}/model" if name == PRETRAIN else f"finetune/{name}/seed{self.seeds[0]}/model"

    def data_names(self) -> set[str]:
        """Return the manifest names of all files that the workflow uses."""
        return {name for _, name, _ in _data_uses(self)}


def read_workflow_config(mapping: dict[str, Any], root: str | Path = ".") -> tuple[WorkflowConfig, Manifest]:
    """Check a config mapping, and what it names, and return it with its manifest.

    Args:
        mapping: the config as read from YAML. Keys that Snakemake itself knows are left out.
        root: folder that paths of task, model and training files are relative to.

    Raises:
        UsageError: with all faults at once.
    """
    mapping = {key: value for key, value in mapping.items() if key != "pathvars"}
    config = from_mapping(WorkflowConfig, mapping, source="workflow config")
    found = _text_faults(config) + _file_faults(config, Path(root))
    manifest = None
    try:
        manifest = read_manifest(Path(root) / config.manifest)
    except UsageError as error:
        found.append(f"manifest: {error}")
    if manifest is not None:
        found += _data_faults(config, manifest)
    if found:
        raise UsageError(
            f"workflow config: {len(found)} {'fault' if len(found) == 1 else 'faults'}\n  " + "\n  ".join(found)
        )
    return config, manifest


def _text_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of names, intervals and references between parts."""
    intervals = [(f"train_regions.{i}", text) for i, text in enumerate(config.train_regions)]
    intervals += [(f"test_regions.{i}", text) for i, text in enumerate(config.test_regions)]
    found = [f"{key}: at least one is needed" for key in ("train_regions", "seeds") if not getattr(config, key)]
    found += [f"seeds: {seed} is not 0 or more" for seed in config.seeds if seed < 0]
    if len(set(config.seeds)) < len(config.seeds):
        found.append("seeds: a seed appears twice")
    for part in ("tasks", "scores", "interpret"):
        for name in getattr(config, part):
            if not NAME.fullmatch(name) or name == PRETRAIN:
                found.append(f"{part}.{name}: a name has letters, digits, '_' and '.' only, and is not '{PRETRAIN}'")
    for name, score in config.scores.items():
        intervals += [(f"scores.{name}.{key}", getattr(score, key)) for key in ("saturate", "window")]
        if (score.variants is None) == (score.saturate is None):
            found.append(f"scores.{name}: give either variants or saturate")
        if score.model != PRETRAIN and score.model not in config.tasks:
            found.append(f"scores.{name}.model: '{score.model}' is neither '{PRETRAIN}' nor a task")
    for name, locus in config.interpret.items():
        intervals.append((f"interpret.{name}.interval", locus.interval))
        if locus.task not in config.tasks:
            found.append(f"interpret.{name}.task: '{locus.task}' is not a task")
    for key, text in intervals:
        if text is not None and not REGION.fullmatch(text):
            found.append(f"{key}: '{text}' is not an interval like chr1:101-200 or chr1:101-200:-")
    return found


def _file_faults(config: WorkflowConfig, root: Path) -> list[str]:
    named = [("model", config.model), ("pretrain", config.pretrain)]
    for name, task in config.tasks.items():
        named += [(f"tasks.{name}.task", task.task), (f"tasks.{name}.train", task.train)]
    found = [f"{key}: file {path} does not exist" for key, path in named if not (root / path).is_file()]
    named += [("results", config.results), ("manifest", config.manifest)]
    plain = "letters, digits and . _ + = - / only"
    return found + [f"{key}: '{path}' must be of {plain}" for key, path in named if not FILE.fullmatch(path)]


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
