"""Which records the user's regions select."""

import bisect
from collections.abc import Sequence

from genomelm.seq.annotation import merge
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


class Selection:
    """Answers whether a record overlaps any of the regions; contig aliases count.

    Attributes:
        notes: what the user should know: regions that were dropped, or that none is left.
    """

    def __init__(self, regions: Sequence[Interval], genome: Genome) -> None:
        named = [Interval(genome.resolve(r.contig) or r.contig, r.start, r.end) for r in regions]
        known = [region for region in named if region.contig in genome.contigs]
        inside = [region for region in known if region.end <= genome.contigs[region.contig]]
        passing = [region for region in known if region.end > genome.contigs[region.contig]]
        self._starts: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        for interval in merge(inside):
            self._starts.setdefault(interval.contig, []).append(interval.start)
            self._ends.setdefault(interval.contig, []).append(interval.end)
        self.notes: list[str] = []
        if len(known) < len(named):
            unknown = sorted({region.contig for region in named} - set(genome.contigs))
            self.notes.append(
                f"{len(named) - len(known)} of {len(named)} regions dropped: the reference does not have their contigs "
                f"({', '.join(unknown[:5])}{', ...' if len(unknown) > 5 else ''})"
            )
        if passing:
            contig = passing[0].contig
            self.notes.append(
                f"{len(passing)} of {len(named)} regions dropped: they pass the end of their contig "
                f"(first: {passing[0]}, but {contig} has {genome.contigs[contig]:,} bases); "
                "is the BED on another assembly?"
            )
        if not inside:
            self.notes.append("no region is left: no record is selected")

    def __contains__(self, place: tuple[str, int, int]) -> bool:
        """Whether (contig, start, end), 0-based and half-open, overlaps a region."""
        contig, start, end = place
        starts = self._starts.get(contig)
        if not starts:
            return False
        before = bisect.bisect_left(starts, max(end, start + 1))
        return before > 0 and self._ends[contig][before - 1] > start
