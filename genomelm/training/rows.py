"""Rows of language-model batches: what every kind of data gives, and how rows of several are put together."""

import abc
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch

from genomelm.models.encoding import Batch, make_batch
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import PAD
from genomelm.seq.codons import NO_PHASE
from genomelm.seq.interval import Interval

Boundaries = Callable[[np.ndarray, int], np.ndarray]
"""(start flags (l+1,), number of the window) -> start flags to use instead."""

PADDING = {
    "ids": PAD,
    "mask": False,
    "starts": False,
    "reverse": False,
    "codon_phase": NO_PHASE,
    "conservation": np.nan,
    "records": -1,
    "modality": 0,
    "weights": 1.0,
}
"""What stands behind the end of a row in each tensor of a batch."""


class Rows(abc.ABC):
    """Windows of a genome, or pieces of records, of one source and split, at one length of window.

    Attributes:
        window: most letters a row.
        patcher: cuts what has no stored patches.
        modality: the alphabet that rows are labelled with; None where the model reads one alphabet only.
        rows: how many rows make an epoch.
        repeat_weight: what a base in lower case weighs in the loss.
    """

    window: int
    patcher: Patcher
    modality: str | None
    rows: int
    repeat_weight: float = 1.0

    @abc.abstractmethod
    def read(self, intervals: Sequence[Interval]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return ids int64 (l,) and start flags (l+1,) of each interval, read along its strand."""

    @abc.abstractmethod
    def some(self, count: int) -> Sequence[Interval]:
        """Return at most `count` intervals, evenly spaced, for a reading in the log."""

    @abc.abstractmethod
    def random_batch(
        self, size: int, *counters: int | str, conjoined: bool = False, mine: slice = slice(None)
    ) -> Batch:
        """Return the rows `mine` of `size` random rows, a pure function of `counters`."""

    @abc.abstractmethod
    def epoch_batch(
        self, first: int, size: int, *counters: int | str, conjoined: bool = False, mine: slice = slice(None)
    ) -> Batch:
        """Return the rows `mine` of rows first..first+size-1 of epochs without end, a pure function of `counters`.

        Each epoch has each row once, in an order of its own.
        """

    def repeats(self, intervals: Sequence[Interval]) -> list[np.ndarray]:
        """Return which letters stand in lower case, bool (l,) an interval, read along its strand; of records none."""
        return [np.zeros(len(interval), bool) for interval in intervals]

    def told(self, intervals: Sequence[Interval]) -> dict[str, list]:
        """Return what `make_batch` takes of the intervals besides ids and starts."""
        found = {} if self.modality is None else {"modality": [self.modality] * len(intervals)}
        if self.repeat_weight != 1.0:
            weights = np.array([1.0, self.repeat_weight], np.float32)
            found["weights"] = [weights[flags.astype(int)] for flags in self.repeats(intervals)]
        return found

    def batch(self, intervals: Sequence[Interval], conjoined: bool, boundaries: Boundaries | None = None) -> Batch:
        """Return intervals as a batch, one a row.

        Args:
            conjoined: whether the patches of the other strands are wanted as well.
            boundaries: gives other start flags in place of each interval's own.
        """
        ids, marks = self.read(intervals)
        starts = [marks]
        if conjoined:
            starts.append(self.read([interval.other_strand for interval in intervals])[1])
        if boundaries is not None:
            starts = [[boundaries(flags, number) for number, flags in enumerate(strand)] for strand in starts]
        return make_batch(ids, starts[0], reverse=starts[1] if conjoined else None, **self.told(intervals))


def joined(batches: Sequence[Batch]) -> Batch:
    """Return the rows of several batches as one, padded to the longest row."""
    if len(batches) == 1:
        return batches[0]
    width = max(batch.ids.shape[1] for batch in batches)
    packed = any(batch.records is not None for batch in batches)
    before, parts = 0, []
    for batch in batches:
        if packed:
            numbers = batch.records
            if numbers is None:  # a record a row
                numbers = torch.where(batch.mask, torch.arange(len(batch.ids))[:, None], -1)
            batch = dataclasses.replace(batch, records=torch.where(numbers >= 0, numbers + before, -1))
            before += int(numbers.max()) + 1
        parts.append({name: x for name, x in vars(batch).items() if isinstance(x, torch.Tensor)})
    whole = {}
    for name in sorted({name for part in parts for name in part}):
        kind = next(part[name] for part in parts if name in part)
        rows = []
        for part in parts:
            size = (len(part["ids"]), width + (name in ("starts", "reverse")))
            row = torch.full(size, PADDING[name], dtype=kind.dtype)
            if name in part:
                row[:, : part[name].shape[1]] = part[name]
            rows.append(row)
        whole[name] = torch.cat(rows)
    return Batch(**whole)


def reordered(batch: Batch, order: np.ndarray) -> Batch:
    """Return the rows of a batch in another order: row i is the batch's row order[i]."""
    where = torch.from_numpy(order)
    tensors = {name: x[where] for name, x in vars(batch).items() if isinstance(x, torch.Tensor)}
    return dataclasses.replace(batch, **tensors)
