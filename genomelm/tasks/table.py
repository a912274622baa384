"""Tables of sequences and labels, split by sequence with a fixed file."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.seq.interval import text_lines
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.faults import check_sequences, named
from genomelm.tasks.splits import assign_splits, sequence_key

LONGEST_FIELD = 1 << 30
"""Characters; csv's own limit of 131,072 is less than a long sequence."""


@dataclass(frozen=True)
class Table:
    """Chosen columns of a table as text.

    Attributes:
        path: for messages.
        rows: "row 2", ...: the line that each row ends on, (n,); the header is row 1.
        columns: name -> cells without outer blanks, (n,).
    """

    path: str
    rows: tuple[str, ...]
    columns: dict[str, list[str]]

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Return columns as float64 (n, columns).

        Raises:
            InputError: text, empty cells, NaN or infinity, naming rows.
        """
        values = np.stack([self._numbers_of(name) for name in names], axis=1)
        if len(bad := np.flatnonzero(~np.isfinite(values).all(1))):
            raise InputError(
                f"{self.path}: {len(bad)} labels are not finite numbers (empty, NaN or infinite), "
                f"first at {named([self.rows[i] for i in bad[:5]])}; remove these rows"
            )
        return values

    def _numbers_of(self, name: str) -> np.ndarray:
        cells = self.columns[name]
        try:
            return np.array(cells, dtype=np.str_).astype(np.float64)
        except ValueError:
            read = [_number(cell) for cell in cells]
        if text := [f"{self.rows[i]} ('{cells[i]}')" for i, value in enumerate(read) if value is None]:
            raise InputError(
                f"{self.path}: {len(text)} labels in column {name} are text, not numbers, "
                f"first at {named(text)}; correct or remove these rows"
            )
        return np.array(read)


def _number(cell: str) -> float | None:
    """Return a cell's number, NaN of an empty one, None of text."""
    try:
        return float(cell or "nan")
    except ValueError:
        return None


def read_table(path: str | Path, wanted: Sequence[str]) -> Table:
    """Read columns of a CSV or TSV, plain or gzip; `,` separates a name that holds .csv, tabs any other.

    Raises:
        InputError: an empty table, a missing or repeated column, or rows of another width.
    """
    separator = "," if ".csv" in Path(path).name else "\t"
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        reader = csv.reader(text_lines(Path(path)), delimiter=separator)
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num} cannot be read as a table: {error}") from None
    finally:
        csv.field_size_limit(limit)
    if not lines:
        raise InputError(f"{path} is empty: a table has a header line and at least one row")
    header = [cell.strip().removeprefix("\ufeff") for cell in lines.pop(0)[1]]
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"{path} has the column {twice[0]} {header.count(twice[0])} times; rename or remove one")
    if absent := [name for name in wanted if name not in header]:
        raise InputError(f"{path} has no column {', '.join(absent)}; its columns: {', '.join(header)}")
    if not lines:
        raise InputError(f"{path} has a header and no rows")
    if bad := [f"row {number} ({len(cells)})" for number, cells in lines if len(cells) != len(header)]:
        raise InputError(
            f"{path}: {len(bad)} rows do not have the {len(header)} columns of the header, first at {named(bad)}"
        )
    numbers, rows = zip(*lines, strict=True)
    cells = dict(zip(header, zip(*rows, strict=True), strict=True))
    columns = {name: [cell.strip() for cell in cells[name]] for name in wanted}
    return Table(str(path), tuple(f"row {number}" for number in numbers), columns)


def spelled(sequence: str, alphabet: str) -> str:
    """Return a sequence as its alphabet writes it: in upper case, and in RNA a T as U."""
    return sequence.upper().replace("T", "U") if alphabet == "rna" else sequence.upper()


def table_examples(path: str | Path, task: TaskConfig, split_file: str | Path) -> Examples:
    """Read a table with one sequence a row.

    A variant effect is the row's label minus the wild type's: the mean label of the rows that
    hold the task's reference, which are no examples themselves.

    Args:
        path: the table.
        task: names the columns; the label is a column or the mean bin of count columns.
        split_file: TSV of sequence keys and splits; what it does not list is for training.

    Raises:
        UsageError: the task names no label column.
        InputError: a table, labels, sequences or a split that cannot be used, with row numbers.
    """
    label_columns = [task.label_column] if task.label_column else list(task.bin_columns)
    if not label_columns:
        raise UsageError(f"task '{task.name}' names neither label_column nor bin_columns")
    table = read_table(path, [task.sequence_column, *label_columns])
    sequences = [spelled(text, task.alphabet) for text in table.columns[task.sequence_column]]
    names, labels, references = table.rows, _labels(table, task), ()
    check_sequences(names, sequences, task, str(path))
    if task.kind == "variant_effect":
        wild = np.array([sequence == task.reference.upper() for sequence in sequences])
        if not wild.any():
            raise InputError(
                f"{path} does not hold the task's reference {task.reference}: "
                "an effect is a mutant's label minus the wild type's; add its row, or set kind to regression"
            )
        labels = labels[~wild] - labels[wild].mean()
        kept = np.flatnonzero(~wild)
        names, sequences = tuple(names[i] for i in kept), [sequences[i] for i in kept]
        references = (task.reference.upper(),) * len(sequences)
    splits = assign_splits(split_file, [sequence_key(sequence) for sequence in sequences], str(path))
    return Examples(names, tuple(sequences), labels, splits, references=references, alphabet=task.alphabet)


def _labels(table: Table, task: TaskConfig) -> np.ndarray:
    if task.label_column:
        return table.numbers([task.label_column])[:, 0]
    counts = table.numbers(task.bin_columns)
    total = counts.sum(1)
    if len(bad := np.flatnonzero((total <= 0) | (counts < 0).any(1))):
        rows = named([table.rows[i] for i in bad[:5]])
        raise InputError(f"{table.path}: {len(bad)} rows have no counts, or negative ones, first at {rows}")
    return counts @ np.arange(len(task.bin_columns)) / total
