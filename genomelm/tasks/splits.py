"""Training, validation and test: by a fixed file of sequences, by groups, by place, or by a hash of the sequence."""

import csv
import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.runtime import counter_seed
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import text_lines
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import SPLITS, Examples
from genomelm.tasks.faults import Faults, named
from genomelm.tasks.regions import HeldOut
from genomelm.tasks.split_config import SplitConfig

COLUMNS = ["sequence_sha256", "split"]


def split_rows(
    examples: Examples,
    task: TaskConfig,
    split_file: str | Path | None,
    groups: Sequence[str],
    genome: Genome | None,
    source: str,
) -> Examples:
    """Return the examples with their splits.

    Split by place, examples that reach over the border of a held-out region are left out.

    Args:
        split_file: TSV of sequence keys and splits, where the task does not say how it is split.
        groups: of each example, (n,), for a split by group.
        genome: for a split by place.
        source: the examples' file, for messages.

    Raises:
        InputError: a split file, groups or regions that do not fit the examples.
    """
    way = task.split.way
    if way == "place":
        return HeldOut(task.split, genome).split(examples)
    if way == "given":
        chosen = assign_splits(split_file, [sequence_key(sequence) for sequence in examples.sequences], source)
    elif way == "group":
        chosen = _by_group(task.split, groups, examples.names, source)
    else:
        chosen = _by_hash(task.split, [_either_strand(examples, i) for i in range(len(examples))])
    return dataclasses.replace(examples, splits=chosen)


def _by_group(split: SplitConfig, groups: Sequence[str], names: Sequence[str], source: str) -> np.ndarray:
    """Return the splits of rows by their groups, (n,) text: those that are named, else by a hash."""
    faults, known = Faults(source), set(groups)
    empty = [name for name, group in zip(names, groups, strict=True) if not group]
    faults.rows(f"rows have no group in column {split.column}", empty)
    if absent := [name for name in (*split.test, *split.validation) if name not in known]:
        faults.say(f"no row is of the group {named(absent)}, which the task's split names (column {split.column})")
    faults.tell()
    if not split.test:
        return _by_hash(split, groups)
    chosen = dict.fromkeys(split.test, "test") | dict.fromkeys(split.validation, "validation")
    return np.array([chosen.get(group, "train") for group in groups])


def _by_hash(split: SplitConfig, keys: Sequence[str]) -> np.ndarray:
    """Return the split of each key, (n,) text: a function of the key and the seed, whatever stands beside it."""
    held = {}
    for key in dict.fromkeys(keys):
        place = counter_seed("split", split.seed, key) / (1 << 63)
        held[key] = "train"
        if place < split.test_share + split.validation_share:
            held[key] = "test" if place < split.test_share else "validation"
    return np.array([held[key] for key in keys])


def _either_strand(examples: Examples, row: int) -> str:
    """Return a key that a sequence shares with its reverse complement: the first of the two, with its reference."""
    texts = (examples.sequences[row], *examples.references[row : row + 1])
    if examples.alphabet != "dna":
        return " ".join(texts)
    return min(" ".join(texts), " ".join(map(reverse_complement, texts)))


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
