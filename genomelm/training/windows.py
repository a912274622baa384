"""Windows of a genome as language-model batches, on either strand."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch

from genomelm.errors import InputError, UsageError
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.heads import IGNORED
from genomelm.patching.patcher import Patcher
from genomelm.patching.store import PatchStore
from genomelm.runtime import counter_seed
from genomelm.seq.alphabet import BOS, encode, reverse_complement_ids
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.training.side_tracks import SideTracks

log = logging.getLogger(__name__)


Boundaries = Callable[[np.ndarray, int], np.ndarray]
"""(start flags (l+1,), number of the window) -> start flags to use instead."""


class GenomeWindows:
    """Cuts windows out of regions; forward windows take their boundaries from the store.

    A reverse-complement window is patched from its own start or, where boundaries come by coordinate,
    mirrored. Nothing is held in memory but the windows at hand.
    """

    def __init__(
        self,
        genome: Genome,
        store: PatchStore,
        patcher: Patcher,
        regions: Sequence[Interval],
        window: int,
        side: SideTracks | None = None,
    ) -> None:
        self.genome, self.store, self.patcher, self.window, self.side = genome, store, patcher, window, side
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
        room = np.array([len(region) - window + 1 for region in self.regions])
        self.edges = np.cumsum(room)

    def record(self, interval: Interval) -> tuple[np.ndarray, np.ndarray]:
        """Return ids (l,) and start flags (l+1,) of an interval, read along its strand."""
        forward = encode(self.genome.fetch(Interval(interval.contig, interval.start, interval.end)))
        if interval.strand == "+":
            return forward, self.store.window_marks(interval)
        ids = reverse_complement_ids(forward)
        return ids, self.store.window_marks(interval) if self.patcher.placed else self.patcher.marks(ids)

    def batch(self, intervals: Sequence[Interval], conjoined: bool, boundaries: Boundaries | None = None) -> Batch:
        """Return intervals as a batch.

        Args:
            conjoined: whether the patches of the other strands are wanted as well.
            boundaries: gives other start flags in place of each interval's own.
        """
        records = [self.record(interval) for interval in intervals]
        starts = [[marks for _, marks in records]]
        if conjoined:
            starts.append([self.record(interval.other_strand)[1] for interval in intervals])
        if boundaries is not None:
            starts = [[boundaries(marks, number) for number, marks in enumerate(strand)] for strand in starts]
        told = {} if self.side is None else self.side.of(intervals)
        return make_batch([ids for ids, _ in records], starts[0], reverse=starts[1] if conjoined else None, **told)

    def random_batch(self, size: int, *counters: int | str, conjoined: bool = False) -> Batch:
        """Return a batch of random windows on random strands, a pure function of `counters`."""
        generator = np.random.default_rng(counter_seed(*counters))
        intervals = []
        for place, strand in zip(
            generator.integers(0, self.edges[-1], size), generator.integers(0, 2, size), strict=True
        ):
            index = int(np.searchsorted(self.edges, place, side="right"))
            region = self.regions[index]
            start = region.start + int(place) - (int(self.edges[index - 1]) if index else 0)
            intervals.append(Interval(region.contig, start, start + self.window, "+-"[strand]))
        return self.batch(intervals, conjoined)

    def tiles(self) -> list[Interval]:
        """Return the regions cut into windows that do not overlap; a last short piece is kept."""
        return tiled(self.regions, self.window)


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


def hide_some(batch: Batch, share: float, *counters: int | str) -> tuple[Batch, torch.Tensor]:
    """Hide a random share of the bytes, a pure function of `counters`."""
    drawn = np.random.default_rng(counter_seed(*counters)).random(tuple(batch.ids.shape)) < share
    return hide(batch, torch.from_numpy(drawn))


def hide_strided(batch: Batch, offset: torch.Tensor, stride: int) -> tuple[Batch, torch.Tensor]:
    """Hide every `stride`-th base of each row, the first one `offset` (b, 1) bases into it."""
    place = torch.arange(batch.ids.shape[1]) - 1  # BOS stands before the first base
    return hide(batch, place % stride == offset % stride)
