"""Records (reads, transcripts, proteins) as language-model batches: rows of like length, or packed rows."""

from collections.abc import Sequence

import numpy as np

from genomelm.errors import InputError
from genomelm.models.encoding import PACK, Batch, pack
from genomelm.patching.many import marks_of_many
from genomelm.patching.patcher import Patcher
from genomelm.runtime import counter_seed
from genomelm.seq.alphabet import reverse_complement_ids
from genomelm.seq.interval import Interval
from genomelm.seq.records import Records
from genomelm.training.permutation import hashed, permuted
from genomelm.training.pieces import Kept, Pieces, padded_classes
from genomelm.training.rows import Rows


class RecordRows(Rows):
    """Pieces of a split's records; an interval is a range of the file's letters.

    Args:
        records: the file.
        patcher: cuts each piece from its own start.
        window: most letters a row; longer records are cut.
        kept: tells which records belong to the split.
        split: its name and how it was made, for the cache.
        step_rows: rows of this source in a step: so many in a row of an epoch are alike in length.
        reach: None: one piece a row, those of a step of one class of length. Else rows are packed with pieces of one
            class, and so many bytes of padding keep them apart.
        both_strands: draw either strand (DNA only).
        modality: as Rows has it.
    """

    def __init__(
        self,
        records: Records,
        patcher: Patcher,
        window: int,
        kept: Kept,
        split: str,
        step_rows: int,
        reach: int | None = None,
        both_strands: bool = False,
        modality: str | None = None,
    ) -> None:
        self.records, self.patcher, self.window, self.modality = records, patcher, window, modality
        self.both_strands, self.reach, self.step_rows = both_strands, reach, step_rows
        classes = padded_classes(window) if reach is None else packed_classes(window, reach)
        self.pieces = Pieces(records, window, classes, kept, split)
        if not len(self.pieces):
            raise InputError(f"{records.path}: none of its {len(records):,} records is in the split {split}")
        counts = np.diff(self.pieces.edges)
        self.fit = np.ones_like(counts) if reach is None else fitting(classes, window, reach)
        self.row_edges = np.concatenate([[0], np.cumsum(-(-counts // self.fit))])
        self.rows = int(self.row_edges[-1])
        shares = np.cumsum(counts / self.fit)
        self.shares = shares / shares[-1]

    def read(self, intervals: Sequence[Interval]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return ids int64 (l,) and start flags (l+1,) of each interval of the letters, read along its strand."""
        ids = []
        for interval in intervals:
            letters = self.records.ids(interval.start, interval.end)
            ids.append(letters if interval.strand == "+" else reverse_complement_ids(letters))
        return ids, marks_of_many(self.patcher, ids)

    def some(self, count: int) -> list[Interval]:
        """Return at most `count` pieces, evenly spaced over the lengths."""
        numbers = np.unique(np.linspace(0, len(self.pieces) - 1, count).astype(np.int64))
        return self._intervals(numbers, np.zeros(len(numbers), np.int64))

    def random_batch(
        self, size: int, *counters: int | str, conjoined: bool = False, mine: slice = slice(None)
    ) -> Batch:
        """Return the rows `mine` of `size` random rows, a pure function of `counters`; all pieces are equally likely.

        Padded, all rows have one class of length. Packed, each has its own.
        """
        generator = np.random.default_rng(counter_seed(*counters))
        packed = self.reach is not None
        drawn = np.searchsorted(self.shares, generator.random(size if packed else 1), side="right")
        classes = np.broadcast_to(drawn, size)[mine]
        most = int(self.fit.max())
        places, strands = generator.random((size, most))[mine], generator.integers(0, 2, (size, most))[mine]
        firsts, counts = self.pieces.edges[classes], np.diff(self.pieces.edges)[classes]
        numbers = firsts[:, None] + np.minimum((places * counts[:, None]).astype(np.int64), counts[:, None] - 1)
        here = np.arange(most) < self.fit[classes][:, None]
        return self._laid(numbers[here], strands[here], here.sum(1), conjoined)

    def epoch_batch(
        self, first: int, size: int, *counters: int | str, conjoined: bool = False, mine: slice = slice(None)
    ) -> Batch:
        """Return the rows `mine` of rows first..first+size-1 of epochs without end, a pure function of `counters`.

        A piece is read on one strand in one epoch and on the other in the next.
        """
        places = np.arange(first, first + size)[mine]
        epochs = places // self.rows
        numbers, strands, lengths = [], [], []
        for epoch in np.unique(epochs).tolist():
            inside = places[epochs == epoch] - epoch * self.rows
            key = (*counters, epoch)
            rows = permuted(inside, self.rows, *key) if self.reach is not None else self._alike(inside, epoch, key)
            classes = np.searchsorted(self.row_edges, rows, side="right") - 1
            begins = (rows - self.row_edges[classes]) * self.fit[classes]
            held = np.minimum(self.fit[classes], np.diff(self.pieces.edges)[classes] - begins)
            owner = np.repeat(classes, held)
            within = np.repeat(begins, held) + np.arange(held.sum()) - np.repeat(np.cumsum(held) - held, held)
            counts = np.diff(self.pieces.edges)[owner]
            within = self.pieces.edges[owner] + permuted(within, counts, *key, "class", kinds=owner)
            numbers.append(within)
            strands.append((hashed(within, *counters, "strand").astype(np.int64) + epoch) & 1)
            lengths.append(held)
        return self._laid(*map(np.concatenate, (numbers, strands, lengths)), conjoined)

    def _alike(self, places: np.ndarray, epoch: int, key: tuple) -> np.ndarray:
        """Return which row, by length, stands at each place of an epoch: the rows of a step come in one run.

        Steps begin at multiples of `step_rows` of all epochs. What one epoch leaves of its last step, and the next
        takes of it, are the shortest rows; the steps between have an order of their own.
        """
        size = self.step_rows
        head = min(-epoch * self.rows % size, self.rows)
        steps = (self.rows - head) // size
        tail = self.rows - head - steps * size
        rows = np.where(places < head, places, places - steps * size)
        whole = (places >= head) & (places < head + steps * size)
        number, inside = np.divmod(places[whole] - head, size)
        rows[whole] = head + tail + permuted(number, max(steps, 1), *key, "steps") * size + inside
        return rows

    def _intervals(self, numbers: np.ndarray, strands: np.ndarray) -> list[Interval]:
        starts = self.pieces.starts[numbers]
        ends = starts + self.pieces.sizes[numbers]
        turned = strands * self.both_strands
        name = self.records.path.name
        return [
            Interval(name, start, end, "+-"[turn])
            for start, end, turn in zip(starts.tolist(), ends.tolist(), turned.tolist(), strict=True)
        ]

    def _laid(self, numbers: np.ndarray, strands: np.ndarray, lengths: np.ndarray, conjoined: bool) -> Batch:
        """Return pieces int64 (n,) as rows with so many of them each, int64 (b,)."""
        intervals = self._intervals(numbers, strands)
        if self.reach is None:
            return self.batch(intervals, conjoined)
        rows = np.repeat(np.arange(len(lengths)), lengths).tolist()
        return pack(*self.read(intervals), self.window + 1, self.reach, **self.told(intervals), rows=rows)


def fitting(sizes: np.ndarray, window: int, reach: int) -> np.ndarray:
    """Return how many records of at most `sizes` letters (n,) a packed row of window + 1 bytes has room for."""
    slots = -(-(1 + sizes + max(reach, 1)) // PACK) * PACK
    return 1 + (window - sizes) // slots


def packed_classes(window: int, reach: int) -> np.ndarray:
    """Return the longest length of each class for packed rows, int64 (c,): a row has as many of any of a class."""
    fit = fitting(np.arange(1, window + 1), window, reach)
    return np.flatnonzero(np.append(fit[1:] != fit[:-1], True)) + 1
