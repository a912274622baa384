"""Faults of task data: all are collected and told at once, each with its first rows."""

from collections.abc import Sequence

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.alphabet import ALPHABETS, MOST_FOREIGN, check_letters
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import SPLITS, Examples


def named(rows: Sequence[str], most: int = 5) -> str:
    """Return the first rows as text: all their names would fill the screen."""
    return ", ".join(rows[:most])


class Faults:
    """Faults of one source, told together.

    Args:
        source: the file, for the message.
    """

    def __init__(self, source: str) -> None:
        self.source, self.found = source, []

    def __bool__(self) -> bool:
        return bool(self.found)

    def say(self, text: str) -> None:
        """Note a fault."""
        self.found.append(text)

    def rows(self, what: str, rows: Sequence[str], fix: str = "correct or remove these rows") -> None:
        """Note a fault of some rows; none of no rows."""
        if rows:
            self.say(f"{len(rows)} {what}, first at {named(rows)}; {fix}")

    def tell(self) -> None:
        """Raise what was noted, if anything.

        Raises:
            InputError: with all faults.
        """
        if len(self.found) == 1:
            raise InputError(f"{self.source}: {self.found[0]}")
        if self.found:
            raise InputError(f"{self.source}: {len(self.found)} faults\n  " + "\n  ".join(self.found))


def check_examples(examples: Examples, task: TaskConfig, source: str) -> Examples:
    """Return the examples if they can be learned from.

    Raises:
        InputError: naming rows; labels that are NaN or no class, no examples in a split, one label only, or a class
            without an example to learn from.
    """
    faults = Faults(source)
    flat = examples.labels.reshape(len(examples), -1)
    bad = np.isnan(flat).all(1) | np.isinf(flat).any(1) if task.per_base else ~np.isfinite(flat).all(1)
    faults.rows("labels are not finite numbers", _rows(examples, bad), "remove them")
    classes = len(task.class_names) or 2
    if task.kind.endswith("_classification") and (
        odd := _rows(examples, ~(np.isin(flat, range(classes)) | ~np.isfinite(flat)).all(1))
    ):
        known = "0 or 1" if classes == 2 else f"0 to {classes - 1}"
        faults.say(f"labels must be {known}; {len(odd)} are not, first at {named(odd)}")
    for split in SPLITS:
        part = examples.where(split)
        if not len(part):
            faults.say(f"no examples in the {split} split; at least two of different labels are needed")
            continue
        judged = task.judged(part.labels)
        for name, column in _columns(task, judged):
            values = column[~np.isnan(column)]
            if len(values) and np.ptp(values) == 0:
                faults.say(
                    f"the {split} split has one label only{name}: {_spelled(task, values[0])} in all {len(part)} rows, "
                    f"first at {named(part.names)}; nothing to learn"
                )
    if not faults:
        learned = examples.where("train").labels
        missing = [name for number, name in enumerate(task.class_names) if not (learned == number).any()]
        if missing:
            faults.say(f"no training example has the class {', '.join(missing)}; add some, or drop it from the task")
    faults.tell()
    return examples


def _columns(task: TaskConfig, labels: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return what each output is to learn: where it stands, and its labels, flat."""
    if not task.label_columns:
        return [("", labels.ravel())]
    return [(f" in column {name}", column) for name, column in zip(task.label_columns, labels.T, strict=True)]


def _spelled(task: TaskConfig, label: float) -> str:
    return task.class_names[int(label)] if task.class_names else f"{label:g}"


def sequence_faults(names: Sequence[str], sequences: Sequence[str], task: TaskConfig, faults: Faults) -> None:
    """Note sequences (n,) that the task's alphabet or reference does not fit.

    Empty ones, those of another alphabet, and those of another length than the reference.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    faults.rows("sequences are empty", [names[i] for i in np.flatnonzero(lengths == 0)], "remove these rows")
    shares = _foreign_shares(sequences, lengths, task.alphabet)
    if len(odd := np.flatnonzero(shares > MOST_FOREIGN)):
        told = named([f"{names[i]} ({shares[i]:.0%})" for i in odd[:5]])
        fitting = [a for a in ALPHABETS if _foreign_shares([sequences[odd[0]]], lengths[odd[:1]], a)[0] == 0]
        hint = f"is the task's alphabet {fitting[0]}?" if fitting else "are these sequences?"
        faults.say(
            f"{len(odd)} sequences have over {MOST_FOREIGN:.0%} of letters that are not "
            f"{ALPHABETS[task.alphabet].columns} (alphabet {task.alphabet}), first at {told}; {hint}"
        )
    else:
        try:
            check_letters(["".join(sequences)], task.alphabet, "")  # nucleotides are residues too: all rows tell more
        except InputError as error:
            faults.say(str(error).removeprefix(": "))
    if task.reference and len(odd := np.flatnonzero((lengths != len(task.reference)) & (lengths > 0))):
        told = named([f"{names[i]} ({lengths[i]})" for i in odd[:5]])
        faults.say(
            f"{len(odd)} sequences do not have the {len(task.reference)} letters of the task's reference, "
            f"first at {told}; remove these rows or the task's reference"
        )


def _foreign_shares(sequences: Sequence[str], lengths: np.ndarray, alphabet: str) -> np.ndarray:
    """Return the share of letters outside an alphabet of each sequence, (n,); 0 of an empty one."""
    foreign = np.ones(256, bool)
    foreign[list(ALPHABETS[alphabet].columns.encode())] = False
    letters = np.frombuffer("".join(sequences).encode("latin-1", "replace"), np.uint8)
    before = np.concatenate([[0], np.cumsum(foreign[letters])])
    ends = np.cumsum(lengths)
    return (before[ends] - before[ends - lengths]) / np.maximum(lengths, 1)


def _rows(examples: Examples, flags: np.ndarray) -> list[str]:
    return [examples.names[i] for i in np.flatnonzero(flags)]
