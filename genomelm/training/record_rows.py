"""Records (reads, transcripts, proteins) as language-model batches: rows of like length, or packed rows."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from genomelm.errors import InputError
from genomelm.models.encoding import Batch
from genomelm.patching.many import marks_of_many
from genomelm.patching.patcher import Patcher
from genomelm.runtime import counter_seed
from genomelm.seq.alphabet import BOS, MODALITIES, reverse_complement_ids
from genomelm.seq.interval import Interval
from genomelm.seq.records import Records
from genomelm.training.permutation import hashed, permuted
from genomelm.training.pieces import Kept, Pieces, padded_classes
from genomelm.training.record_layout import columns_of, laid_out
from genomelm.training.row_plan import packed_classes, planned, row_room, slots_of
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
        reach: None: one piece a row, those of a step of one class of length. Else rows are packed by a plan
            (training/row_plan.py), and so many bytes of padding keep the pieces of a row apart.
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
        self.counts = np.diff(self.pieces.edges)
        self.plan = None
        if reach is not None:
            room = row_room(window, reach)
            self.plan = planned(np.minimum(slots_of(classes, reach), room), self.counts, room)
        self.rows = len(self.pieces) if self.plan is None else int(self.plan.edges[-1])

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
        if self.plan is None:
            drawn = np.searchsorted(self.pieces.edges, generator.random(1) * self.rows, side="right") - 1
            owners, held, most = np.broadcast_to(drawn, size)[mine], np.ones(size, np.int64)[mine], 1
        else:
            rows = generator.integers(0, self.rows, size)[mine]
            (owners, _, held), most = self.plan.places(rows), int(self.plan.held.max())
        places, strands = generator.random((size, most))[mine], generator.integers(0, 2, (size, most))[mine]
        here = np.arange(most) < held[:, None]
        counts = self.counts[owners]
        numbers = self.pieces.edges[owners] + np.minimum((places[here] * counts).astype(np.int64), counts - 1)
        return self._laid(numbers, strands[here], held, conjoined)

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
            if self.plan is None:
                rows = self._alike(inside, epoch, key)
                owners = np.searchsorted(self.pieces.edges, rows, side="right") - 1
                within, held = rows - self.pieces.edges[owners], np.ones_like(rows)
            else:
                owners, within, held = self.plan.places(permuted(inside, self.rows, *key))
            within = self.pieces.edges[owners] + permuted(within, self.counts[owners], *key, "class", kinds=owners)
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

    def _laid(self, numbers: np.ndarray, strands: np.ndarray, held: np.ndarray, conjoined: bool) -> Batch:
        """Return pieces int64 (n,) as rows with so many of them each, int64 (b,)."""
        sizes = self.pieces.sizes[numbers]
        rows = np.repeat(np.arange(len(held)), held)
        if self.plan is None:
            columns, width = np.zeros_like(rows), 1 + int(sizes.max(initial=0))
        else:
            columns, width = columns_of(sizes, held, self.reach), self.window + 1
        turned = (strands & self.both_strands).astype(np.bool_)
        pieces = (self.records.letters, self.pieces.starts[numbers], sizes, turned)
        batch = laid_out(*pieces, self.patcher, rows, columns, (len(held), width), conjoined)
        told = {} if self.plan is not None else {"records": None}
        if self.modality is not None:
            told["modality"] = batch.mask * MODALITIES.index(self.modality)
        if self.repeat_weight != 1.0:  # of records nothing is a repeat
            told["weights"] = (batch.mask & (batch.ids != BOS)).float()
        return dataclasses.replace(batch, **told)
