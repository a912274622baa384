"""Faults inside the files that a workflow's config names: models, tasks and training."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from genomelm.commands.workflow_config import WorkflowConfig
from genomelm.commands.workflow_data_file import read_sources, source_files
from genomelm.commands.workflow_parts import TaskUse
from genomelm.data.manifest import Manifest
from genomelm.errors import UsageError
from genomelm.models.config import ShellConfig, read_model_file
from genomelm.scoring.tags import Tags
from genomelm.settings import read_config
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.sources import GENOMIC
from genomelm.training.config import TrainConfig

NAME = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")
READ = {
    **dict.fromkeys(("gff_coding", "gff_tokens", "gff_classes"), "annotation"),
    **dict.fromkeys(("bigwig", "bed"), "track"),
    "vcf": "variants",
}
"""Source of a task -> kind of the manifest's rows that it reads; of any other source assay."""


def file_faults(config: WorkflowConfig, manifest: Manifest | None) -> list[str]:
    """Return the faults of files that are missing or wrong, and of files that do not fit each other.

    Args:
        manifest: None where it could not be read; what needs it is then not checked.
    """
    read = {"model": _shell, "task": _task, "train": _train, "data": read_sources}
    found, parts = [], {}
    for key, path in config.files().items():
        try:
            parts[key] = read[key.rsplit(".", 1)[1]](path)
        except UsageError as error:
            found.append(f"{key}: {error}".replace("\n", "\n  "))
    shells = {name: shell for name in config.models if (shell := parts.get(f"models.{name}.model"))}
    for name, use in config.models.items():
        train = parts.get(f"models.{name}.train")
        if train is not None and train.steps is None:
            found.append(f"models.{name}.train: {use.train} has no steps")
    for name, use in config.tasks.items():
        task, train = parts.get(f"tasks.{name}.task"), parts.get(f"tasks.{name}.train")
        if train is not None and train.steps is None and train.epochs is None:
            found.append(f"tasks.{name}.train: {use.train} has neither steps nor epochs")
        if task is not None:
            faults = [
                *_task_faults(task, use),
                *_fit_faults(task, use, shells),
                *_data_faults(task, use, manifest, config.assays),
            ]
            if task.source in GENOMIC and config.genome_of(use) is None:
                faults.append(f"genome: {use.task} cuts its examples from a genome; name it here or in genome")
            found += [f"tasks.{name}.{fault}" for fault in faults]
    tasks = {name: task for name in config.tasks if (task := parts.get(f"tasks.{name}.task"))}
    for part in ("scores", "interpret"):
        for name, use in getattr(config, part).items():
            task = tasks.get(use.task)
            if task and (task.of_bases or task.outputs > 1):
                several = task.kind if task.of_bases else f"{task.kind} with {task.outputs} outputs"
                found.append(f"{part}.{name}.task: '{use.task}' is a {several}, which gives no single score")
    return found + _shell_faults(config, shells)


def cut_tasks(config: WorkflowConfig) -> list[str]:
    """Return the names of the tasks whose examples are cut from a genome."""
    return [name for name, use in config.tasks.items() if _task(use.task).source in GENOMIC]


def unknown(name: Any, known: Iterable[str]) -> str:
    """Return the text that says that a name is not there, with the nearest one that is."""
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f"'{name}' is unknown; " + (f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}")


def _shell(path: str) -> ShellConfig:
    return read_model_file(path).shell


def _task(path: str) -> TaskConfig:
    return read_config(TaskConfig, path)


def _train(path: str) -> TrainConfig:
    return read_config(TrainConfig, path)


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
    if not task.needs_split and use.split is not None:
        found.append(f"split: {use.task} says itself how it is split; leave {use.split} out")
    if task.needs_split and use.split is None:
        found.append(f"split: {use.task} reads a table, which is split by a file: name one of the manifest")
    if use.labels is not None and task.source != "vcf":
        found.append(f"labels: {use.task} reads no labels beside its data; leave {use.labels} out")
    if task.source == "table" and not task.columns:
        found.append(f"task: {use.task} names neither label_column nor bin_columns")
    return found


def _fit_faults(task: TaskConfig, use: TaskUse, shells: dict[str, ShellConfig]) -> list[str]:
    """Return the models that read other letters than the task."""
    return [
        f"models.{i}: '{model}' reads {shells[model].alphabet}, but {use.task} is of {task.alphabet}"
        for i, model in enumerate(use.models)
        if model in shells and shells[model].alphabet not in (task.alphabet, "mixed")
    ]


def _data_faults(task: TaskConfig, use: TaskUse, manifest: Manifest | None, assays: Iterable[str]) -> list[str]:
    """Return the fault of data that is not what the task's source reads."""
    wanted = READ.get(task.source, "assay")
    row = manifest.rows.get(use.data) if manifest else None
    if use.data in assays and wanted != "variants":
        return [
            f"data: '{use.data}' is an assay, which is variants, but source {task.source} of {use.task} reads {wanted}"
        ]
    if row is None or row.kind == wanted:
        return []
    return [f"data: '{use.data}' is of kind {row.kind}, but source {task.source} of {use.task} reads {wanted}"]


def _shell_faults(config: WorkflowConfig, shells: dict[str, ShellConfig]) -> list[str]:
    """Return faults of models whose objective or alphabet does not fit what the config does with them."""
    found = []
    for name, use in config.models.items():
        if use.data is not None:
            found += [f"models.{name}.data: {fault}" for fault in _source_faults(config, use.data)]
    for name, shell in shells.items():
        use = config.models[name]
        patching = config.patches.get(use.patches or "")
        if patching is not None and patching.fitted is not None:
            patching = config.patches.get(patching.fitted)
        if shell.objective == "masked" and patching is not None and patching.reads_scores:
            found.append(
                f"models.{name}.patches: '{use.patches}' places patches by the bases that a masked model must guess; "
                "use a patching of mode fixed_stride or byte"
            )
        if shell.alphabet not in ("dna", "mixed") and use.pretrained:
            found.append(f"models.{name}: {use.model} reads {shell.alphabet}, and pretraining is on a genome")
        for part in ("scores", "interpret"):
            if shell.alphabet not in ("dna", "mixed"):
                found += [
                    f"{part}.{user}.model: '{name}' reads {shell.alphabet}, and this is about a genome"
                    for user in config.of_model(part, name)
                ]
    return found


def _source_faults(config: WorkflowConfig, path: str) -> list[str]:
    """Return what a data file names that is not there, and that no rule makes."""
    made = f"{config.results}/patch/"
    found = []
    for key, file, folder in source_files(path):
        if folder and file.startswith(made):
            name = file[len(made) :].strip("/")
            found += [] if name in config.patches else [f"{path}: {key}: {unknown(name, config.patches)}"]
        elif not file.startswith(f"{config.results}/data/") and not Path(file).exists():
            found.append(f"{path}: {key}: {file} does not exist, and does not lie in {config.results}/data or /patch")
    return found
