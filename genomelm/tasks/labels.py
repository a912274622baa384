"""Labels as text become numbers: of a regression, of classes by name, of several columns, or of counts in bins."""

import difflib
from collections.abc import Mapping, Sequence

import numpy as np

from genomelm.tasks.config import TaskConfig
from genomelm.tasks.faults import Faults


def labels_of(rows: Sequence[str], cells: Mapping[str, Sequence[str]], task: TaskConfig, faults: Faults) -> np.ndarray:
    """Return labels float64 (n,), or (n, columns) of several label columns; a class is its number.

    Args:
        rows: names of the rows, for messages, (n,).
        cells: column -> text, (n,).
        faults: where text, empty cells, NaN, infinity, unknown classes and counts that are none are noted.
    """
    if task.classes:
        return _classes(rows, cells[task.columns[0]], task, faults)
    read = [_numbers(cells[name]) for name in task.columns]
    for name, (_, text) in zip(task.columns, read, strict=True):
        told = [f"{rows[i]} ('{cells[name][i]}')" for i in np.flatnonzero(text)]
        faults.rows(f"labels in column {name} are text, not numbers", told)
    values, text = (np.stack(part, axis=1) for part in zip(*read, strict=True))
    finite = np.isfinite(values).all(1)
    faults.rows(
        "labels are not finite numbers (empty, NaN or infinite)",
        [rows[i] for i in np.flatnonzero(~finite & ~text.any(1))],
        "remove these rows",
    )
    if not task.bin_columns:
        return values if task.label_columns else values[:, 0]
    total = values.sum(1)
    uncounted = finite & ((total <= 0) | (values < 0).any(1))
    faults.rows(
        "rows have no counts, or negative ones", [rows[i] for i in np.flatnonzero(uncounted)], "remove these rows"
    )
    return values @ np.arange(len(task.bin_columns)) / np.where(uncounted, np.nan, total)


def _numbers(cells: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return a column float64 (n,), NaN where there is no number, and where it holds text instead, bool (n,)."""
    try:
        return np.array(cells, dtype=np.str_).astype(np.float64), np.zeros(len(cells), bool)
    except ValueError:
        read = [_number(cell) for cell in cells]
    return np.array([np.nan if value is None else value for value in read]), np.array([v is None for v in read])


def _number(cell: str) -> float | None:
    """Return a cell's number, NaN of an empty one, None of text."""
    try:
        return float(cell or "nan")
    except ValueError:
        return None


def _classes(rows: Sequence[str], cells: Sequence[str], task: TaskConfig, faults: Faults) -> np.ndarray:
    number = {name: float(i) for i, name in enumerate(task.classes)}
    unknown = [i for i, cell in enumerate(cells) if cell not in number]
    if unknown:
        near = difflib.get_close_matches(cells[unknown[0]], task.classes, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        faults.rows(
            f"labels are none of the task's classes ({', '.join(task.classes)})",
            [f"{rows[i]} ('{cells[i]}')" for i in unknown],
            f"{hint}correct them, or name their classes in the task",
        )
    return np.array([number.get(cell, np.nan) for cell in cells])
