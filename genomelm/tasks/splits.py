"""Fixed splits: a file that names held-out sequences by their digest."""

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.interval import text_lines
from genomelm.tasks.examples import SPLITS
from genomelm.tasks.faults import named

COLUMNS = ["sequence_sha256", "split"]


def sequence_key(sequence: str) -> str:
    """Return the key of a sequence in a split file: 16 hexadecimal digits of its upper-case text's SHA-256."""
    return hashlib.sha256(sequence.upper().encode()).hexdigest()[:16]


def assign_splits(path: str | Path, keys: Sequence[str], source: str) -> np.ndarray:
    """Return the split of each key, (n,) text; keys that the file does not list are for training.

    Args:
        path: TSV of sequence_sha256 and split.
        keys: of the sequences, as `sequence_key` makes them.
        source: the table that the sequences come from, for messages.

    Raises:
        InputError: a file that is no split file, names an unknown split or one key in two splits,
            or lists none of the keys.
    """
    rows = list(csv.reader(text_lines(Path(path)), delimiter="\t"))
    if not rows or rows[0] != COLUMNS:
        header = ", ".join(rows[0]) if rows else "none"
        raise InputError(f"split file {path} must have the columns {' and '.join(COLUMNS)}, not: {header}")
    lines = [(f"line {number}", row) for number, row in enumerate(rows[1:], 2) if row]
    if bad := [line for line, row in lines if len(row) != 2]:
        raise InputError(f"split file {path}: {len(bad)} lines do not have two columns, first at {named(bad)}")
    if bad := [f"{line} ('{row[1]}')" for line, row in lines if row[1] not in SPLITS]:
        raise InputError(
            f"split file {path}: {len(bad)} lines name unknown splits, first at {named(bad)}; "
            f"known: {', '.join(SPLITS)}"
        )
    chosen: dict[str, str] = {}
    if bad := [line for line, (key, split) in lines if chosen.setdefault(key, split) != split]:
        raise InputError(
            f"split file {path}: {len(bad)} lines name a second split of a sequence, first at {named(bad)}"
        )
    if not chosen.keys() & set(keys):
        raise InputError(
            f"split file {path} names none of the {len(keys):,} sequences of {source}: was it made for another table? "
            "Its keys are the first 16 hexadecimal digits of the SHA-256 of the upper-case sequence"
        )
    return np.array([chosen.get(key, "train") for key in keys])
