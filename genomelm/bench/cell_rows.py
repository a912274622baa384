"""Rows of benchmark cells: files of one JSON object a line."""

import fcntl
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from genomelm.errors import InputError


def read_rows(paths: Iterable[Path], keys: Sequence[str]) -> dict[tuple, dict]:
    """Read files of one JSON object a line; objects of one cell, such as its result and its speed, are joined.

    Args:
        paths: the files.
        keys: what names a cell in each object.

    Raises:
        InputError: a line is not a cell's JSON, or one cell has two results.
    """
    rows: dict[tuple, dict] = {}
    for path in paths:
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            try:
                found = json.loads(line)
                key = tuple(found[name] for name in keys)
            except (ValueError, KeyError, TypeError):
                raise InputError(f"{path}, line {number} is no cell's result: give files that `cell` wrote") from None
            row = rows.setdefault(key, {})
            if twice := set(row) & set(found) - set(keys):
                raise InputError(f"{path}, line {number}: {key} has a second {sorted(twice)[0]}: give each cell once")
            row |= found
    return rows


def add_row(path: Path, row: dict) -> None:
    """Append a row as one line; several processes may do so at once."""
    with open(path, "a", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(json.dumps(row, allow_nan=False) + "\n")
