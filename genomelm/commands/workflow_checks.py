"""Faults of a workflow's config: told all at once, before anything is planned, and without torch."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from genomelm.commands.workflow_config import WorkflowConfig
from genomelm.commands.workflow_files import NAME, file_faults, unknown
from genomelm.commands.workflow_models import model_faults
from genomelm.commands.workflow_places import data_faults, genome_faults, path_faults, region_faults
from genomelm.commands.workflow_shards import record_faults
from genomelm.commands.workflow_sheet import Sheet, read_sheet
from genomelm.data.manifest import Manifest, read_manifest
from genomelm.errors import UsageError
from genomelm.settings import from_mapping, problems_in, without_unknown

RESERVED = {"tasks": {"language_model"}, "models": {"fetch", "prepare", "patch"}}
"""Names beside those of the tasks in a model's folder evaluate/, and beside those of the models in logs/."""


def read_workflow_config(
    mapping: dict[str, Any], root: str | Path = ".", counted: Collection[str] = ()
) -> tuple[WorkflowConfig, Manifest]:
    """Check a config mapping, its sheet and the files that it names, and return it with its manifest.

    Task and training files are read too, so that a fault in them stops a run before it starts. Of a model file only
    the family, the objective and the alphabet are checked; the rest is left to the commands, whose checks need torch.

    Args:
        mapping: the config as read from YAML. Keys that Snakemake itself knows are left out.
        root: folder in which files are looked for that are not in the working directory. In the
            config that is returned, their paths are below it.
        counted: names of scores whose records are told elsewhere.

    Raises:
        UsageError: with all faults at once; those of a sheet's rows with its lines. Only values of a wrong shape hide
            faults of meaning: without them there is no config to look at.
    """
    mapping = {key: value for key, value in mapping.items() if key != "pathvars"}
    found = problems_in(mapping, WorkflowConfig)
    known = without_unknown(mapping, WorkflowConfig)
    sheet, faults = _sheet_of(known, Path(root))
    found += faults
    if problems_in(known, WorkflowConfig):
        raise _all(found)
    if sheet is not None:
        known, faults = _joined(known, sheet)
        found += faults
    config = from_mapping(WorkflowConfig, known, source="workflow config").located(Path(root))
    meant = [
        *_name_faults(config),
        *model_faults(config),
        *_task_faults(config),
        *_use_faults(config),
        *_score_faults(config),
        *region_faults(config),
        *genome_faults(config),
        *path_faults(config),
    ]
    manifest = Manifest(Path(config.manifest), {})
    if config.data_names():
        try:
            manifest = read_manifest(config.manifest)
        except UsageError as error:
            meant.append(f"manifest: {error}".replace("\n", "\n  "))
            manifest = None
    meant += file_faults(config, manifest)
    if manifest is not None:
        meant += [*data_faults(config, manifest), *record_faults(config, manifest, counted)]
    found += [sheet.told(fault) for fault in meant] if sheet else meant
    if found:
        raise _all(found)
    return config, manifest


def _all(found: list[str]) -> UsageError:
    """Return the error that tells all faults."""
    return UsageError(
        f"workflow config: {len(found)} {'fault' if len(found) == 1 else 'faults'}\n  " + "\n  ".join(found)
    )


def _sheet_of(mapping: dict[str, Any], root: Path) -> tuple[Sheet | None, list[str]]:
    """Return the sheet that a config names, without its faulty rows, and its faults."""
    name = mapping.get("sheet")
    if not isinstance(name, str):
        return None, []
    place = Path(name) if Path(name).exists() else root / name
    if not place.exists():
        return None, [f"sheet {name} does not exist: a config's paths count from the directory where a command runs"]
    try:
        sheet = read_sheet(place)
    except UsageError as error:
        return None, [str(error)]
    return sheet, [f"{sheet.path} {fault}" for fault in sheet.faults]


def _joined(mapping: dict[str, Any], sheet: Sheet) -> tuple[dict[str, Any], list[str]]:
    """Return the config with the sheet's entries beside its own, and the faults of names that both have."""
    parts = {part: mapping.get(part) or {} for part in sheet.entries}
    twice = [f"{part}.{name}" for part, rows in sheet.entries.items() for name in rows if name in parts[part]]
    joined = mapping | {part: {**rows, **parts[part]} for part, rows in sheet.entries.items()}
    return joined, [sheet.told(f"{key}: the config has an entry of this name too") for key in twice]


def _name_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of names and seeds as such."""
    found = []
    for part in ("patches", "models", "tasks", "assays", "backgrounds", "scores", "interpret"):
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
    for name, entry in config.interpret.items():
        if (entry.interval is None) == (entry.regions is None):
            found.append(f"interpret.{name}: give either interval or regions")
        only = {"width": entry.width, "motifs": entry.motifs, "jaspar": entry.jaspar}
        if entry.regions is None and (odd := [key for key, value in only.items() if value]):
            found.append(f"interpret.{name}.{odd[0]}: it is for regions; drop it")
        if entry.jaspar is not None and not NAME.fullmatch(entry.jaspar):
            found.append(f"interpret.{name}.jaspar: '{entry.jaspar}' is no group of JASPAR, such as vertebrates")
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
        elif use.model in config.models and use.model in config.from_scratch():
            found.append(f"{key}: model '{use.model}' has no language model, as it is not pretrained; name a task")
    return found


def _score_faults(config: WorkflowConfig) -> list[str]:
    """Return faults of how variants are split among jobs, and of the backgrounds that scores are placed in."""
    found = []
    for name, score in config.scores.items():
        key = f"scores.{name}"
        for part in ("records", "shard_size"):
            if score.variants is None and getattr(score, part) is not None:
                found.append(f"{key}.{part}: it is for variants of a VCF; drop it")
        if score.background is None:
            continue
        background = config.backgrounds.get(score.background)
        if background is None:
            found.append(f"{key}.background: {unknown(score.background, config.backgrounds)}")
            continue
        if score.window is not None:
            found.append(f"{key}.background: a background has no fixed window; drop one of both")
        ours, theirs = config.genome_of(score), config.genome_of(background)
        if ours != theirs:
            found.append(f"{key}.background: '{score.background}' is of {theirs}, and these variants of {ours}")
        if score.width != background.width:
            found.append(
                f"{key}.background: '{score.background}' has a width of {background.width}, and this one {score.width}"
            )
    return found
