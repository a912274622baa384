"""Splits by place: contigs and regions that are held out of training."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.annotation import merge
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.examples import Examples
from genomelm.tasks.split_config import SplitConfig

log = logging.getLogger(__name__)

TEST_FROM, VALIDATION_FROM = 0.90, 0.85
"""Shares of each contig where the test and validation regions begin, where a task names none."""


class HeldOut:
    """The regions of a genome's test and validation.

    Args:
        split: the task's.
        genome: whose contigs it names.

    Raises:
        InputError: a name that is no contig and no region, or a region that passes its contig or shares bases with the
            other split's.
    """

    def __init__(self, split: SplitConfig, genome: Genome) -> None:
        self.genome, self.named = genome, split.way == "place"
        found = {name: self._read(name, getattr(split, name)) for name in ("test", "validation")}
        for test in found["test"]:
            for other in found["validation"]:
                if test.overlaps(other):
                    raise InputError(f"split: test {test} and validation {other} share bases; choose regions apart")
        self.regions = {
            name: {contig: merge(r for r in regions if r.contig == contig) for contig in genome.contigs}
            for name, regions in found.items()
        }

    def of_contig(self, contig: str) -> Iterator[tuple[str, Interval]]:
        """Yield split and region of each part of a contig: as the task names them, else by shares of its length."""
        length = self.genome.contigs[contig]
        if not self.named:
            edges = (0, int(VALIDATION_FROM * length), int(TEST_FROM * length), length)
            for split, start, end in zip(("train", "validation", "test"), edges, edges[1:], strict=False):
                yield split, Interval(contig, start, end)
            return
        held = [(region, split) for split in self.regions for region in self.regions[split][contig]]
        at = 0
        for region, split in sorted(held):
            yield "train", Interval(contig, at, region.start)
            yield split, region
            at = region.end
        yield "train", Interval(contig, at, length)

    def split(self, examples: Examples) -> Examples:
        """Return examples with places as their regions say; those that reach over a border are left out."""
        splits = np.array(["train"] * len(examples), dtype="<U10")
        kept = np.ones(len(examples), bool)
        for name, regions in self.regions.items():
            edges = {contig: (np.array([r.start for r in found]), np.array([r.end for r in found]))
                     for contig, found in regions.items()}  # fmt: skip
            for row, place in enumerate(examples.places):
                starts, ends = edges[place.contig]
                first = int(np.searchsorted(ends, place.start, side="right"))
                if first < len(starts) and starts[first] < place.end:  # it shares bases with this region
                    splits[row] = name
                    kept[row] &= bool(starts[first] <= place.start and place.end <= ends[first])
        if not kept.all():
            log.warning("%d examples reach over a border of the split and are left out", (~kept).sum())
        return dataclasses.replace(examples, splits=splits).rows(np.flatnonzero(kept))

    def _read(self, name: str, texts: Sequence[str]) -> list[Interval]:
        found = []
        for text in texts:
            contig = self.genome.resolve(text)
            if contig is not None:
                found.append(Interval(contig, 0, self.genome.contigs[contig]))
                continue
            try:
                region = Interval.parse(text)
            except InputError:
                known = ", ".join(list(self.genome.contigs)[:5])
                raise InputError(
                    f"split.{name}: '{text}' is no contig of {self.genome.path} ({known}), and no region like "
                    "chr8:1-500000"
                ) from None
            contig = self.genome.resolve(region.contig)
            if contig is None or region.end > self.genome.contigs[contig]:
                raise InputError(f"split.{name}: {text} does not lie in {self.genome.path}; correct the region")
            found.append(Interval(contig, region.start, region.end))
        return found
