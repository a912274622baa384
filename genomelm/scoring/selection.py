"""Which records the user's regions select."""

import bisect
from collections.abc import Sequence

from genomelm.seq.annotation import merge
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


class Selection:
    """Answers whether a record overlaps any of the regions; contig aliases count."""

    def __init__(self, regions: Sequence[Interval], genome: Genome) -> None:
        named = [Interval(genome.resolve(r.contig) or r.contig, r.start, r.end) for r in regions]
        self._starts: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        for interval in merge(named):
            self._starts.setdefault(interval.contig, []).append(interval.start)
            self._ends.setdefault(interval.contig, []).append(interval.end)
        self.unknown = sorted({r.contig for r in named} - set(genome.contigs))

    def __contains__(self, place: tuple[str, int, int]) -> bool:
        """Whether (contig, start, end), 0-based and half-open, overlaps a region."""
        contig, start, end = place
        starts = self._starts.get(contig)
        if not starts:
            return False
        before = bisect.bisect_left(starts, max(end, start + 1))
        return before > 0 and self._ends[contig][before - 1] > start
