"""Windows of a genome as language-model batches, on either strand."""

import logging
from collections.abc import Sequence

import numpy as np
import torch

from genomelm.errors import InputError, UsageError
from genomelm.models.encoding import Batch
from genomelm.models.heads import IGNORED
from genomelm.patching.many import marks_of_many
from genomelm.patching.patcher import Patcher
from genomelm.patching.store import PatchStore
from genomelm.runtime import counter_seed
from genomelm.seq.alphabet import BOS, encode, reverse_complement_ids
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.training.permutation import hashed, permuted
from genomelm.training.rows import Boundaries, Rows
from genomelm.training.side_tracks import SideTracks

__all__ = ["Boundaries", "GenomeWindows", "hide", "hide_some", "hide_strided", "label_ids", "some_of", "tiled"]

log = logging.getLogger(__name__)


class GenomeWindows(Rows):
    """Cuts windows out of regions; forward windows take their boundaries from the store.

    A reverse-complement window is patched from its own start or, where boundaries come by coordinate,
    mirrored. Nothing is held in memory but the windows at hand.

    Args:
        genome: the reference.
        store: its patches, by `patcher`.
        regions: where windows come from; those shorter than a window are left out.
        window: bases a window.
        side: what the model is told by coordinate.
        both_strands: draw windows of either strand (DNA only).
        modality: as Rows has it.
    """

    def __init__(
        self,
        genome: Genome,
        store: PatchStore,
        patcher: Patcher,
        regions: Sequence[Interval],
        window: int,
        side: SideTracks | None = None,
        both_strands: bool = True,
        modality: str | None = None,
    ) -> None:
        self.genome, self.store, self.patcher, self.window, self.side = genome, store, patcher, window, side
        self.both_strands, self.modality = both_strands and patcher.config.alphabet == "dna", modality
        cut = store.facts.get("genome_sha256")
        if cut is not None and cut != genome.digest:
            raise InputError(
                f"{store.directory} holds the patches of {store.facts.get('genome')}, not of {genome.path}: "
                "run `genomelm patch` on this genome"
            )
        for region in regions:
            theirs, ours = store.contigs.get(region.contig), genome.contigs.get(region.contig)
            if theirs is None or theirs != ours or region.end > theirs:
                raise UsageError(
                    f"region {region}: the patches know {region.contig} with {theirs} bases, the genome with {ours}; "
                    "run `genomelm patch` on this genome, or mend the region"
                )
        self.regions = [region for region in regions if len(region) >= window]
        for region in set(regions) - set(self.regions):
            log.warning("region %s is shorter than the window of %d bases: left out", region, window)
        if not self.regions:
            raise InputError(f"no region is as long as the window of {window} bases: choose a smaller window")
        lengths = np.array([len(region) for region in self.regions])
        self.edges = np.cumsum(lengths - window + 1)
        self.tile_edges = np.cumsum(-(-lengths // window))
        self.rows = int(self.tile_edges[-1])

    def read(self, intervals: Sequence[Interval]) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Return ids int64 (l,) and start flags (l+1,) of each interval, read along its strand."""
        ids, marks, alone = [], [], []
        for number, interval in enumerate(intervals):
            forward = interval if interval.strand == "+" else interval.other_strand
            letters = encode(self.genome.fetch(forward), self.patcher.config.alphabet)
            ids.append(letters if interval.strand == "+" else reverse_complement_ids(letters))
            if interval.strand == "+" or self.patcher.placed:
                marks.append(self.store.window_marks(interval))
            else:
                alone.append(number)
                marks.append(None)
        for number, flags in zip(alone, marks_of_many(self.patcher, [ids[n] for n in alone]), strict=True):
            marks[number] = flags
        return ids, marks

    def record(self, interval: Interval) -> tuple[np.ndarray, np.ndarray]:
        """Return ids (l,) and start flags (l+1,) of an interval, read along its strand."""
        ids, marks = self.read([interval])
        return ids[0], marks[0]

    def repeats(self, intervals: Sequence[Interval]) -> list[np.ndarray]:
        """Return which bases the genome has in lower case, bool (l,) an interval, read along its strand."""
        texts = (np.frombuffer(self.genome.fetch(interval).encode("latin-1"), np.uint8) for interval in intervals)
        return [text >= ord("a") for text in texts]

    def told(self, intervals: Sequence[Interval]) -> dict[str, list]:
        """Return what `make_batch` takes of the intervals besides ids and starts."""
        return super().told(intervals) | ({} if self.side is None else self.side.of(intervals))

    def random_batch(
        self, size: int, *counters: int | str, conjoined: bool = False, mine: slice = slice(None)
    ) -> Batch:
        """Return the rows `mine` of a batch of random windows on random strands, a pure function of `counters`."""
        generator = np.random.default_rng(counter_seed(*counters))
        places, strands = generator.integers(0, self.edges[-1], size), generator.integers(0, 2, size)
        return self.batch(self._placed(places[mine], self.edges, 1, strands[mine]), conjoined)

    def epoch_batch(
        self, first: int, size: int, *counters: int | str, conjoined: bool = False, mine: slice = slice(None)
    ) -> Batch:
        """Return the rows `mine` of rows first..first+size-1 of epochs without end, a pure function of `counters`.

        The rows are the regions' tiles, a region's last one moved back to lie inside. A tile is read on one strand in
        one epoch and on the other in the next.
        """
        numbers = np.arange(first, first + size)[mine]
        epochs = numbers // self.rows
        tiles = np.empty(len(numbers), np.int64)
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            tiles[here] = permuted(numbers[here] - epoch * self.rows, self.rows, *counters, epoch)
        strands = (hashed(tiles, *counters, "strand").astype(np.int64) + epochs) & 1
        return self.batch(self._placed(tiles, self.tile_edges, self.window, strands), conjoined)

    def _placed(self, places: np.ndarray, edges: np.ndarray, stride: int, strands: np.ndarray) -> list[Interval]:
        """Return the windows at places int64 (n,) among those that begin every `stride` bases of the regions.

        Args:
            edges: windows of the regions up to and with each, int64.
            strands: int64 (n,), 0 or 1.
        """
        found = []
        which = np.searchsorted(edges, places, side="right")
        skipped = np.concatenate([[0], edges])[which]
        for index, place, strand in zip(
            which.tolist(), (places - skipped).tolist(), (strands * self.both_strands).tolist(), strict=True
        ):
            region = self.regions[index]
            start = min(region.start + place * stride, region.end - self.window)
            found.append(Interval(region.contig, start, start + self.window, "+-"[strand]))
        return found

    def tiles(self) -> list[Interval]:
        """Return the regions cut into windows that do not overlap; a last short piece is kept."""
        return tiled(self.regions, self.window)

    def some(self, count: int) -> Sequence[Interval]:
        """Return at most `count` tiles, evenly spaced."""
        return some_of(self.tiles(), count)


def tiled(regions: Sequence[Interval], size: int) -> list[Interval]:
    """Return regions cut into pieces of `size` bases that do not overlap; a last short piece is kept."""
    return [
        Interval(region.contig, start, min(start + size, region.end))
        for region in regions
        for start in range(region.start, region.end, size)
    ]


def some_of(tiles: Sequence[Interval], count: int) -> Sequence[Interval]:
    """Return at most `count` of the tiles, evenly spaced, for a reading in the log."""
    return tiles[:: max(1, len(tiles) // count)][:count]


def label_ids(batch: Batch) -> torch.Tensor:
    """Return language-model labels (b, l): the ids, with padding left out."""
    return torch.where(batch.mask, batch.ids, IGNORED)


def hide(batch: Batch, where: torch.Tensor) -> tuple[Batch, torch.Tensor]:
    """Hide the bytes (b, l) that `where` flags, BOS and padding never; return the batch and its labels (b, l)."""
    where = where & batch.mask & (batch.ids != BOS)
    return batch.hidden(where), torch.where(where, batch.ids, IGNORED)


def hide_some(
    batch: Batch,
    share: float,
    *counters: int | str,
    rows: int | None = None,
    mine: slice = slice(None),
    width: int | None = None,
) -> tuple[Batch, torch.Tensor]:
    """Hide a random share of the bytes, a pure function of `counters`.

    Args:
        batch: the rows `mine` of a step that has `rows` in all (None: all of them).
        width: bytes of the step's longest possible row (None: the batch's): what is hidden in a row does not depend on
            how far the batch is padded.
    """
    length = batch.ids.shape[1]
    drawn = np.random.default_rng(counter_seed(*counters)).random((rows or len(batch.ids), width or length)) < share
    return hide(batch, torch.from_numpy(drawn[mine, :length]))


def hide_strided(batch: Batch, offset: torch.Tensor, stride: int) -> tuple[Batch, torch.Tensor]:
    """Hide every `stride`-th base of each row, the first one `offset` (b, 1) bases into it."""
    place = torch.arange(batch.ids.shape[1]) - 1  # BOS stands before the first base
    return hide(batch, place % stride == offset % stride)
