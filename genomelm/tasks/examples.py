"""Labelled sequences with their split: what every source of task data is turned into."""

import bisect
import dataclasses
from collections.abc import Sequence

import numpy as np

from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.annotation import merge
from genomelm.seq.interval import Interval

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Examples:
    """Sequences, labels and splits of one task.

    Attributes:
        names: where each example comes from (interval or row number), (n,).
        sequences: upper-case text, (n,).
        labels: float64 (n,), of classes their numbers; (n, columns) of several labels; one for each base (n, l), of a
            track NaN where it has no value.
        splits: 'train', 'validation' or 'test', (n,).
        places: where each example lies on a genome, (n,); empty for tables.
        references: the wild type of each example, (n,); empty but for variant effects.
        alphabet: of the sequences.
    """

    names: tuple[str, ...]
    sequences: tuple[str, ...]
    labels: np.ndarray
    splits: np.ndarray
    places: tuple[Interval, ...] = ()
    references: tuple[str, ...] = ()
    alphabet: str = "dna"

    def where(self, split: str) -> "Examples":
        """Return the examples of one split, in order."""
        return self.rows(np.flatnonzero(self.splits == split))

    def rows(self, rows: np.ndarray) -> "Examples":
        """Return the examples `rows`, in their order."""
        return Examples(
            tuple(self.names[i] for i in rows),
            tuple(self.sequences[i] for i in rows),
            self.labels[rows],
            self.splits[rows],
            tuple(self.places[i] for i in rows) if self.places else (),
            tuple(self.references[i] for i in rows) if self.references else (),
            self.alphabet,
        )

    def __len__(self) -> int:
        return len(self.names)


def leakage(examples: Examples, seen: Sequence[Interval] = ()) -> dict[str, int]:
    """Count test examples that a model may have met before.

    Args:
        examples: of all splits; a pair is met where both its wild type and its mutant are.
        seen: regions that the model was pretrained on; compared with examples that are intervals.

    Returns:
        "identical" and "reverse_complement" (0 but for DNA, which alone has another strand): test
        examples that stand in training like that;
        "pretrained_on": test intervals that share bases with `seen`;
        "overlapping", where examples have places: test intervals that share bases with a training one.
    """
    train, test = (_texts(examples.where(split)) for split in ("train", "test"))
    met, dna = set(train), examples.alphabet == "dna"
    found = {
        "identical": sum(texts in met for texts in test),
        "reverse_complement": sum(tuple(map(reverse_complement, texts)) in met for texts in test) if dna else 0,
        "pretrained_on": sum(any(place.overlaps(region) for region in seen) for place in examples.where("test").places),
    }
    return found | ({"overlapping": _overlapping(examples)} if examples.places else {})


def _overlapping(examples: Examples) -> int:
    """Return how many test places share bases with a training place, on either strand."""
    trained: dict[str, list[Interval]] = {}
    for place in merge(examples.where("train").places):
        trained.setdefault(place.contig, []).append(place)
    ends = {contig: [place.end for place in places] for contig, places in trained.items()}
    count = 0
    for place in examples.where("test").places:
        # merged places are sorted and apart: only the first one that ends behind this one's start can share bases
        first = bisect.bisect_right(ends.get(place.contig, []), place.start)
        places = trained.get(place.contig, [])
        count += first < len(places) and places[first].overlaps(place)
    return count


def _texts(examples: Examples) -> list[tuple[str, ...]]:
    """Return the sequence of each example, with its wild type where it has one."""
    if examples.references:
        return list(zip(examples.sequences, examples.references, strict=True))
    return [(sequence,) for sequence in examples.sequences]
