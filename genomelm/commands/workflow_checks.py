"""Faults of a workflow's config: told all at once, before anything is planned, and without torch."""

import re
from pathlib import Path
from typing import Any

from genomelm.commands.workflow_config import WorkflowConfig
from genomelm.commands.workflow_files import NAME, file_faults, unknown
from genomelm.data.manifest import Manifest, read_manifest
from genomelm.errors import GenomelmError, InputError, UsageError
from genomelm.patching.parameters import limits_fault
from genomelm.seq.interval import Interval
from genomelm.settings import from_mapping

# Rules hand these texts to a shell: nothing that a shell would act on may be in them.
REGION = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.*-]*:[1-9][0-9,]*-[1-9][0-9,]*(:[+-])?")
PATH = re.compile(r"[0-9A-Za-z_./][0-9A-Za-z_./+=-]*")
RESERVED = {"tasks": {"language_model"}, "models": {"fetch", "prepare", "patch"}}
"""Names beside those of the tasks in a model's folder evaluate/, and beside those of the models in logs/."""


def read_workflow_config(mapping: dict[str, Any], root: str | Path = ".") -> tuple[WorkflowConfig, Manifest]:
    """Check a config mapping, and the files that it names, and return it with its manifest.

    Task and training files are read too, so that a fault in them stops a run before it starts. Of a model file only
    the family, the objective and the alphabet are checked; the rest is left to the commands, whose checks need torch.

    Args:
        mapping: the config as read from YAML. Keys that Snakemake itself knows are left out.
        root: folder in which files are looked for that are not in the working directory. In the
            config that is returned, their paths are below it.

    Raises:
        UsageError: with all faults at once.
    """
    mapping = {key: value for key, value in mapping.items() if key != "pathvars"}
    config = from_mapping(WorkflowConfig, mapping, source="workflow config").located(Path(root))
    found = [
        *_name_faults(config),
        *_model_faults(config),
        *_task_faults(config),
        *_use_faults(config),
        *_region_faults(config),
        *_path_faults(config),
    ]
    manifest = None
    try:
        manifest = read_manifest(config.manifest)
    except UsageError as error:
        found.append(f"manifest: {error}".replace("\n", "\n  "))
    found += file_faults(config, manifest)
    if manifest is not None:
        found += _data_faults(config, manifest)
    if found:
        raise UsageError(
            f"workflow config: {len(found)} {'fault' if len(found) == 1 else 'faults'}\n  " + "\n  ".join(found)
        )
    return config, manifest


def _name_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of names and seeds as such."""
    found = []
    for part in ("patches", "models", "tasks", "scores", "interpret"):
        for name in getattr(config, part):
            if not NAME.fullmatch(name):
                found.append(f"{part}.{name}: a name has letters, digits, '_' and '.' only, and no digit first")
            elif name in RESERVED.get(part, ()):
                found.append(f"{part}.{name}: this name is reserved; choose another")
    lists = {"seeds": config.seeds} | {f"tasks.{name}.seeds": use.seeds for name, use in config.tasks.items()}
    for key, seeds in lists.items():
        found += [f"{key}: {seed} is not 0 or more" for seed in seeds if seed < 0]
        if len(set(seeds)) < len(seeds):
            found.append(f"{key}: a seed appears twice")
    if not config.seeds:
        found.append("seeds: at least one is needed")
    return found


def _model_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of patchings, and of how models are trained."""
    found = []
    for name, patching in config.patches.items():
        if patching.mode == "byte" and patching.mean != 1:
            found.append(f"patches.{name}.mean: mode byte has patches of 1 base, not {patching.mean:g}")
        if patching.mode == "fixed_stride" and patching.mean != int(patching.mean):
            found.append(f"patches.{name}.mean: mode fixed_stride needs whole bases, not {patching.mean:g}")
        if fault := limits_fault(patching.mode, patching.min, patching.max, patching.multiple):
            found.append(f"patches.{name}: {fault}")
    if not config.models:
        found.append("models: at least one is needed")
    for name, use in config.models.items():
        if (use.patches is None) != (use.train is None):
            found.append(
                f"models.{name}: patches and train go together; give both to pretrain it on the genome, "
                "neither to train it from scratch on its tasks"
            )
        if use.patches is not None and use.patches not in config.patches:
            found.append(f"models.{name}.patches: {unknown(use.patches, config.patches)}")
        if use.train is None and use.patches is None:
            if use.long_window is not None:
                found.append(f"models.{name}.long_window: this model is not pretrained; drop long_window")
            if not config.of_model("tasks", name):
                found.append(f"models.{name}: no task names it, and without patches and train nothing else trains it")
    return found


def _task_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of the models that tasks name."""
    found = []
    for name, use in config.tasks.items():
        if not use.models:
            found.append(f"tasks.{name}.models: at least one is needed")
        if len(set(use.models)) < len(use.models):
            found.append(f"tasks.{name}.models: a model appears twice")
        for i, model in enumerate(use.models):
            if model not in config.models:
                found.append(f"tasks.{name}.models.{i}: {unknown(model, config.models)}")
    return found


def _use_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of what scores and interpret name."""
    found = []
    for name, score in config.scores.items():
        if (score.variants is None) == (score.saturate is None):
            found.append(f"scores.{name}: give either variants or saturate")
        if score.regions is not None and score.variants is None:
            found.append(f"scores.{name}.regions: it selects variants of a VCF; drop it")
    uses = {f"scores.{name}": use for name, use in config.scores.items()}
    uses |= {f"interpret.{name}": use for name, use in config.interpret.items()}
    for key, use in uses.items():
        if use.model not in config.models:
            found.append(f"{key}.model: {unknown(use.model, config.models)}")
        if use.task is not None and use.task not in config.tasks:
            found.append(f"{key}.task: {unknown(use.task, config.tasks)}")
        elif use.model in config.models and use.task is not None:
            if use.model not in config.tasks[use.task].models:
                found.append(f"{key}: task '{use.task}' is not learned by model '{use.model}'; name it in its models")
        elif use.model in config.models and not config.models[use.model].pretrained:
            found.append(f"{key}: model '{use.model}' has no language model, as it is not pretrained; name a task")
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


def _path_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of paths as such."""
    named = {**config.files(), "results": config.results, "manifest": config.manifest}
    plain = "letters, digits and . _ + = - / only"
    return [f"{key}: '{path}' must be of {plain}" for key, path in named.items() if not PATH.fullmatch(path)]


def _data_faults(config: WorkflowConfig, manifest: Manifest) -> list[str]:
    """Return faults of manifest names and of the kinds of their rows."""
    found = []
    for key, name, kind in config.data_uses():
        try:
            row = manifest.row(name)
        except GenomelmError as error:
            found.append(f"{key}: {error}")
            continue
        if kind is not None and row.kind != kind:
            found.append(f"{key}: '{name}' is of kind {row.kind}, but {kind} is needed")
    return found
