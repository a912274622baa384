"""Faults of task data: how bad rows are named, and the checks that every source shares."""

from collections.abc import Sequence

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.alphabet import ALPHABETS, MOST_FOREIGN, check_letters
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import SPLITS, Examples


def named(rows: Sequence[str], most: int = 5) -> str:
    """Return the first rows as text: all their names would fill the screen."""
    return ", ".join(rows[:most])


def check_examples(examples: Examples, task: TaskConfig, source: str) -> Examples:
    """Return the examples if they can be learned from.

    Raises:
        InputError: naming rows; labels that are NaN or no class, no examples in a split, or one
            label only.
    """
    flat = examples.labels if examples.labels.ndim == 2 else examples.labels[:, None]
    if bad := _rows(examples, ~np.isfinite(flat).all(1)):
        raise InputError(f"{source}: {len(bad)} labels are not finite numbers, first at {named(bad)}; remove them")
    if task.metric == "auroc" and (bad := _rows(examples, ~np.isin(flat, (0.0, 1.0)).all(1))):
        raise InputError(f"{source}: labels must be 0 or 1; {len(bad)} are not, first at {named(bad)}")
    for split in SPLITS:
        part = examples.where(split)
        if not len(part):
            raise InputError(f"{source}: no examples in the {split} split; at least two of different labels are needed")
        judged = task.judged(part.labels)
        if np.ptp(judged) == 0:
            raise InputError(
                f"{source}: the {split} split has one label only: {judged.flat[0]:g} in all {len(part)} rows, "
                f"first at {named(part.names)}; nothing to learn"
            )
    return examples


def check_sequences(names: Sequence[str], sequences: Sequence[str], task: TaskConfig, source: str) -> None:
    """Refuse sequences (n,) that the task's alphabet or reference does not fit.

    Raises:
        InputError: naming rows; sequences that are empty, of another alphabet, or of another length
            than the reference.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    if bad := [names[i] for i in np.flatnonzero(lengths == 0)]:
        raise InputError(f"{source}: {len(bad)} sequences are empty, first at {named(bad)}; remove these rows")
    shares = _foreign_shares(sequences, lengths, task.alphabet)
    if len(odd := np.flatnonzero(shares > MOST_FOREIGN)):
        told = named([f"{names[i]} ({shares[i]:.0%})" for i in odd[:5]])
        fitting = [a for a in ALPHABETS if _foreign_shares([sequences[odd[0]]], lengths[odd[:1]], a)[0] == 0]
        hint = f"is the task's alphabet {fitting[0]}?" if fitting else "are these sequences?"
        raise InputError(
            f"{source}: {len(odd)} sequences have over {MOST_FOREIGN:.0%} of letters that are not "
            f"{ALPHABETS[task.alphabet].columns} (alphabet {task.alphabet}), first at {told}; {hint}"
        )
    check_letters(["".join(sequences)], task.alphabet, source)  # nucleotides are residues too: all rows tell more
    if task.reference and len(odd := np.flatnonzero(lengths != len(task.reference))):
        told = named([f"{names[i]} ({lengths[i]})" for i in odd[:5]])
        raise InputError(
            f"{source}: {len(odd)} sequences do not have the {len(task.reference)} letters of the task's reference, "
            f"first at {told}; remove these rows or the task's reference"
        )


def _foreign_shares(sequences: Sequence[str], lengths: np.ndarray, alphabet: str) -> np.ndarray:
    """Return the share of letters outside an alphabet of each sequence, (n,)."""
    foreign = np.ones(256, bool)
    foreign[list(ALPHABETS[alphabet].columns.encode())] = False
    letters = np.frombuffer("".join(sequences).encode("latin-1", "replace"), np.uint8)
    before = np.concatenate([[0], np.cumsum(foreign[letters])])
    ends = np.cumsum(lengths)
    return (before[ends] - before[ends - lengths]) / lengths


def _rows(examples: Examples, flags: np.ndarray) -> list[str]:
    return [examples.names[i] for i in np.flatnonzero(flags)]
