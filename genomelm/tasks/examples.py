"""Labelled sequences with their split: what every source of task data is turned into."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.alphabet import encode, reverse_complement
from genomelm.seq.interval import Interval

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Examples:
    """Sequences, labels and splits of one task.

    Attributes:
        names: where each example comes from (interval or row number), (n,).
        sequences: upper-case text, (n,).
        labels: float64 (n,).
        splits: 'train', 'validation' or 'test', (n,).
        places: where each example lies on a genome, (n,); empty for tables of sequences.
    """

    names: tuple[str, ...]
    sequences: tuple[str, ...]
    labels: np.ndarray
    splits: np.ndarray
    places: tuple[Interval, ...] = ()

    def where(self, split: str) -> "Examples":
        """Return the examples of one split, in order."""
        rows = np.flatnonzero(self.splits == split)
        return Examples(
            tuple(self.names[i] for i in rows),
            tuple(self.sequences[i] for i in rows),
            self.labels[rows],
            self.splits[rows],
            tuple(self.places[i] for i in rows) if self.places else (),
        )

    def __len__(self) -> int:
        return len(self.names)

    def ids(self) -> list[np.ndarray]:
        """Return the ids (l,) int64 of each sequence."""
        return [encode(sequence) for sequence in self.sequences]


def check_examples(examples: Examples, kind: str, source: str) -> Examples:
    """Return the examples if they can be learned from.

    Raises:
        InputError: with row names; no examples in a split, NaN labels, one class only, or a label
            that is no class.
    """
    bad = [name for name, label in zip(examples.names, examples.labels, strict=True) if not np.isfinite(label)]
    if bad:
        raise InputError(f"{source}: {len(bad)} labels are not finite numbers, first at {', '.join(bad[:5])}")
    for split in SPLITS:
        part = examples.where(split)
        if not len(part):
            raise InputError(f"{source}: no examples in the {split} split")
        if kind == "sequence_classification":
            odd = [name for name, label in zip(part.names, part.labels, strict=True) if label not in (0.0, 1.0)]
            if odd:
                raise InputError(f"{source}: labels must be 0 or 1; {len(odd)} are not, first at {', '.join(odd[:5])}")
        if len(np.unique(part.labels)) < 2:
            raise InputError(f"{source}: the {split} split has one label only ({part.labels[0]:g}); nothing to learn")
    return examples


def leakage(examples: Examples, seen: Sequence[Interval] = ()) -> dict[str, int]:
    """Count test examples that a model may have met before.

    Args:
        examples: of all splits.
        seen: regions that the model was pretrained on; compared with examples that are intervals.

    Returns:
        "identical" and "reverse_complement": test sequences that stand in training like that;
        "pretrained_on": test intervals that share bases with `seen`.
    """
    train = set(examples.where("train").sequences)
    test = examples.where("test")
    return {
        "identical": sum(sequence in train for sequence in test.sequences),
        "reverse_complement": sum(reverse_complement(sequence) in train for sequence in test.sequences),
        "pretrained_on": sum(any(place.overlaps(region) for region in seen) for place in test.places),
    }
