"""Tables on disk: CSV, TSV and Parquet, as text by column."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genomelm.errors import InputError
from genomelm.seq.interval import text_lines
from genomelm.tasks.faults import named

LONGEST_FIELD = 1 << 30
"""Characters; csv's own limit of 131,072 is less than a long sequence."""
PARQUET = b"PAR1"
"""First bytes of a Parquet file."""


@dataclass(frozen=True)
class Table:
    """Chosen columns of a table as text.

    Attributes:
        rows: "row 2", ...: the line that each row ends on, (n,); the header is row 1. Rows of a Parquet file are
            counted from 1: it has no line for its header.
        columns: name -> cells without outer blanks, (n,).
    """

    rows: tuple[str, ...]
    columns: dict[str, list[str]]


def read_table(path: str | Path, wanted: Sequence[str] | None) -> Table:
    """Read columns (None: all) of a CSV or TSV, plain or gzip, or of a Parquet file.

    `,` separates a name that holds .csv, tabs any other; Parquet is told by its first bytes.

    Raises:
        InputError: an empty table, a missing or repeated column, or rows of another width.
    """
    wanted = None if wanted is None else list(dict.fromkeys(wanted))
    path = Path(path)
    if path.is_file():
        with open(path, "rb") as stream:
            if stream.read(4) == PARQUET:
                return _parquet(path, wanted)
    separator = "," if ".csv" in path.name else "\t"
    lines = list(_cells(path, separator))
    if not lines:
        raise InputError(f"{path} is empty: a table has a header line and at least one row")
    header = [cell.strip().removeprefix("\ufeff") for cell in lines.pop(0)[1]]
    wanted = _checked(path, header, wanted)
    if not lines:
        raise InputError(f"{path} has a header and no rows")
    if bad := [f"row {number} ({len(cells)})" for number, cells in lines if len(cells) != len(header)]:
        raise InputError(
            f"{path}: {len(bad)} rows do not have the {len(header)} columns of the header, first at {named(bad)}"
        )
    numbers, rows = zip(*lines, strict=True)
    cells = dict(zip(header, zip(*rows, strict=True), strict=True))
    columns = {name: [cell.strip() for cell in cells[name]] for name in wanted}
    return Table(tuple(f"row {number}" for number in numbers), columns)


def _cells(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line that each row ends on, and its cells; blank lines are none."""
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        reader = csv.reader(text_lines(path), delimiter=separator)
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num} cannot be read as a table: {error}") from None
    finally:
        csv.field_size_limit(limit)


def _parquet(path: Path, wanted: list[str] | None) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        wanted = _checked(path, file.schema_arrow.names, wanted)
        table = file.read(columns=wanted)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(f"{path} is a Parquet file that cannot be read ({error}); write it again") from None
    if not table.num_rows:
        raise InputError(f"{path} has columns and no rows")
    columns = {name: [_text(value) for value in table[name].to_pylist()] for name in wanted}
    return Table(tuple(f"row {number}" for number in range(1, table.num_rows + 1)), columns)


def _text(value: object) -> str:
    """Return a Parquet value as a CSV would spell it: nothing of null, and 1 or 0 of a truth value."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value).strip()


def _checked(path: Path, header: Sequence[str], wanted: list[str] | None) -> list[str]:
    """Return the columns that are read."""
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise InputError(f"{path} has the column {twice[0]} {header.count(twice[0])} times; rename or remove one")
    if wanted is None:
        wanted = list(header)
    if absent := [name for name in wanted if name not in header]:
        known = f"its columns: {', '.join(header)}{separator_hint(header)}"
        raise InputError(f"{path} has no column {', '.join(absent)}; {known}")
    return wanted


def separator_hint(header: Sequence[str]) -> str:
    """Say what a header that is one cell looks like."""
    for separator, name, ending in ((",", "commas", ".csv"), ("\t", "tabs", ".tsv")):
        if len(header) == 1 and separator in header[0]:
            return f" (one column that holds {name}: is the table separated by them? Then name the file {ending})"
    return ""
