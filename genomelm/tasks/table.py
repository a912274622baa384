"""Task data from a table of sequences and labels, split by sequence with a fixed file."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from genomelm.errors import InputError, UsageError
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import SPLITS, Examples


def table_examples(path: str | Path, task: TaskConfig, split_file: str | Path | None) -> Examples:
    """Read a CSV or TSV (plain or gzip) with one sequence a row.

    Args:
        path: the table; `,` separates a name that holds .csv, tabs any other.
        task: names the columns; the label is a column or the mean bin of count columns.
        split_file: TSV of sequence_sha256 (first 16 hexadecimal digits of the upper-case
            sequence's digest) and split; sequences that it does not list are for training.

    Raises:
        UsageError: no split file, or a column that the table lacks.
        InputError: labels or sequences that cannot be read, with row numbers.
    """
    if split_file is None:
        raise UsageError(f"task '{task.name}' is split by sequence: give the fixed file with --split")
    separator = "," if ".csv" in Path(path).name else "\t"
    try:
        table = pd.read_csv(path, sep=separator)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read as a table: {error}") from None
    wanted = [task.sequence_column, *([task.label_column] if task.label_column else task.bin_columns)]
    if absent := [column for column in wanted if column not in table]:
        raise UsageError(f"{path} has no column {', '.join(absent)}; its columns: {', '.join(table.columns)}")
    sequences = tuple(str(text).upper() for text in table[task.sequence_column])
    names = tuple(f"row {row + 2}" for row in range(len(table)))  # row 1 is the header
    labels = _labels(table, task, names, str(path))
    chosen = _read_splits(split_file)
    splits = np.array([chosen.get(sequence_key(sequence), "train") for sequence in sequences])
    return Examples(names, sequences, labels, splits)


def sequence_key(sequence: str) -> str:
    """Return the key of a sequence in a split file: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(sequence.upper().encode()).hexdigest()[:16]


def _labels(table: pd.DataFrame, task: TaskConfig, names: tuple[str, ...], source: str) -> np.ndarray:
    columns = [task.label_column] if task.label_column else list(task.bin_columns)
    if not columns:
        raise UsageError(f"task '{task.name}' names neither label_column nor bin_columns")
    numbers = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if (bad := np.flatnonzero(~np.isfinite(numbers).all(1))).size:
        rows = ", ".join(names[i] for i in bad[:5])
        raise InputError(f"{source}: {bad.size} labels are not finite numbers, first at {rows}")
    if task.label_column:
        return numbers[:, 0]
    total = numbers.sum(1)
    if (bad := np.flatnonzero(total <= 0)).size:
        raise InputError(f"{source}: {bad.size} rows have no counts, first at {', '.join(names[i] for i in bad[:5])}")
    return numbers @ np.arange(len(columns)) / total


def _read_splits(path: str | Path) -> dict[str, str]:
    try:
        table = pd.read_csv(path, sep="\t", dtype=str)
    except (OSError, ValueError) as error:
        raise InputError(f"split file {path} cannot be read: {error}") from None
    if list(table.columns) != ["sequence_sha256", "split"]:
        raise InputError(
            f"split file {path} must have the columns sequence_sha256 and split, not {list(table.columns)}"
        )
    if odd := sorted(set(table["split"]) - set(SPLITS)):
        raise InputError(f"split file {path} names the split {odd[0]!r}; known: {', '.join(SPLITS)}")
    return dict(zip(table["sequence_sha256"], table["split"], strict=True))
