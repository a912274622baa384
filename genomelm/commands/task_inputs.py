"""The files of one task or of several: which option's file belongs to which task."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from genomelm.errors import InputError, UsageError, raise_all

if TYPE_CHECKING:
    from genomelm.tasks.config import TaskConfig
    from genomelm.tasks.examples import Examples


@dataclass(frozen=True)
class TaskInput:
    """A task and its files; what it does not read is None."""

    task: "TaskConfig"
    data: Path
    genome: Path | None
    split: Path | None
    labels: Path | None

    def examples(self) -> "Examples":
        """Read and check the examples.

        Raises:
            UsageError, InputError: as `read_examples`.
        """
        from genomelm.tasks.read import read_examples

        return read_examples(self.task, self.data, self.genome, self.split, self.labels)

    def files(self) -> dict[str, Path]:
        """Return the files by the option that gave them."""
        given = {"data": self.data, "genome": self.genome, "split": self.split, "labels": self.labels}
        return {option: file for option, file in given.items() if file is not None}


def task_inputs(
    tasks: Sequence["TaskConfig"],
    data: Sequence[Path],
    genome: Sequence[Path] | None,
    split: Sequence[Path] | None,
    labels: Sequence[Path] | None,
) -> list[TaskInput]:
    """Return the tasks with their files, in the order of the tasks.

    --data is given once a task. --genome, --split and --labels are given once for all tasks that read one, or once for
    each of these, in their order.

    Raises:
        UsageError: too few or too many files.
    """
    if len(data) != len(tasks):
        raise UsageError(f"there are {len(tasks)} --task and {len(data)} --data: give one --data for each --task")
    genomes = _shared("--genome", genome or (), [task.needs_genome for task in tasks])
    splits = _shared("--split", split or (), [task.needs_split for task in tasks])
    tables = _shared("--labels", labels or (), [task.source == "vcf" for task in tasks])
    return [TaskInput(*files) for files in zip(tasks, data, genomes, splits, tables, strict=True)]


def examples_of(inputs: Sequence[TaskInput]) -> list["Examples"]:
    """Read and check the examples of all tasks.

    Raises:
        InputError: files that do not fit; the faults of all are named at once.
    """
    found, faults = [], []
    for one in inputs:
        try:
            found.append(one.examples())
        except InputError as error:
            faults.append(error)
    raise_all(faults)
    return found


def _shared(option: str, files: Sequence[Path], reads: Sequence[bool]) -> list[Path | None]:
    """Return each task's file of an option; None of those that read none, and where none was given."""
    wanted = sum(reads)
    if len(files) not in (0, 1, wanted) or (files and not wanted):
        raise UsageError(
            f"{option} is given {len(files)} times, and {wanted} of the tasks read such a file: give it once for all "
            "of these, or once for each, in the order of the tasks"
        )
    each = iter(list(files) * wanted if len(files) == 1 else files)
    return [next(each, None) if read else None for read in reads]
