"""Scores on the haplotypes of one sample: its other changes within the window are made in both alleles.

Which changes. A neighbour is an alternative allele that the sample carries, in letters, whose REF is the reference's.
Homozygous and haploid ones stand on every haplotype. A heterozygous one stands on the haplotypes that its phased GT
('|') says, and is known to be together with others of its phase set (PS of the contig; calls without PS are one set)
alone. Heterozygous calls without phase, missing alleles ('.') and '*' are no neighbours; where GT is missing on one
haplotype the other still counts.

Which haplotypes. An allele that the sample carries with phase is scored on the haplotypes that carry it, with the
changes there of its phase set. A homozygous one is scored on all of the sample's haplotypes, and its score is the mean;
where its own call has no PS, the phase set is that of the heterozygous change next to it in the window. An allele whose
haplotype is unknown (no call, unphased, not carried) is scored with the homozygous neighbours alone.

Overlaps. Two changes overlap when they replace a common base, insert at one place, or one inserts among bases that the
other replaces. The allele that is scored is always made, and changes that overlap it are not. Of others that overlap
on one haplotype, the first in the file is made, whatever its phase set.

Windows are those of `haplotype_pair`: as many bases before and behind the variant as without neighbours, fewer at the
end of a contig (EDGE_PADDED).
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from genomelm.errors import UsageError
from genomelm.scoring.allele_scorer import AlleleScorer, outputs_of
from genomelm.scoring.contigs import ContigMap
from genomelm.scoring.haplotypes_store import Placed, SampleChanges
from genomelm.scoring.haplotypes_windows import haplotype_pair
from genomelm.scoring.pair_scorer import WindowScorer
from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.vcf import VcfReader
from genomelm.seq.window import SCORED, AllelePair, Change, written_change


@dataclass(frozen=True)
class HaplotypePairs(AllelePair):
    """Windows of a variant on the first of the haplotypes that carry it, and on each of them where they differ.

    Args:
        haplotypes: one pair a haplotype.
    """

    haplotypes: tuple[AllelePair, ...] = ()


class HaplotypeScorer:
    """A scorer whose windows hold a sample's neighbouring changes; attributes are those of `AlleleScorer`.

    Args:
        scorer: of a model of DNA.
        changes: the sample's.

    Raises:
        UsageError: the scorer's windows or patches are bound to places, or its model does not read DNA.
    """

    def __init__(self, scorer: AlleleScorer, changes: SampleChanges) -> None:
        _check_windows(scorer)
        self._scorer, self._changes = scorer, changes
        self.tag, self.outputs = scorer.tag, outputs_of(scorer)
        self.description = f"{scorer.description}; with a sample's phased neighbours in both alleles"
        self.provenance = {**scorer.provenance, "haplotypes": "phased neighbours of one sample in both alleles"}

    def pair(self, genome: Genome, variant: Variant) -> AllelePair:
        """Return the windows of a variant, on each haplotype that carries it."""
        found = self._scorer.pair(genome, variant)
        change = written_change(genome, variant)
        if found.status not in SCORED or change is None:
            return found
        chosen = self._chosen(variant.contig, change, found)
        pairs = [self._readable(self._on(genome, found, change, choose)) for choose in chosen]
        if any(pair != pairs[0] for pair in pairs):
            unscored = next((pair for pair in pairs if pair.status not in SCORED), None)
            return unscored or _together(pairs)
        return pairs[0]

    def score(self, pairs: Sequence[AllelePair]) -> np.ndarray:
        """Return float64 (n,) or (n, k), the scores of each pair; means over haplotypes where there are several."""
        several = [pair.haplotypes if isinstance(pair, HaplotypePairs) else (pair,) for pair in pairs]
        found = np.asarray(self._scorer.score([one for some in several for one in some]), np.float64)
        ends = np.cumsum([len(some) for some in several])
        return np.array([found[end - len(some) : end].mean(0) for some, end in zip(several, ends, strict=True)])

    def _on(self, genome: Genome, pair: AllelePair, change: Change, choose: Callable[[Placed], bool]) -> AllelePair:
        assert pair.window is not None
        contig = pair.window.contig

        def near(start: int, end: int) -> list[Change]:
            return [placed.change for placed in self._changes.near(contig, start, end) if choose(placed)]

        return haplotype_pair(genome, pair, change, near)

    def _readable(self, pair: AllelePair) -> AllelePair:
        """Hold the windows against what the model reads."""
        readable = isinstance(self._scorer, WindowScorer) and pair.status in SCORED
        return self._scorer.readable(pair) if readable else pair

    def _chosen(self, contig: str, change: Change, pair: AllelePair) -> list[Callable[[Placed], bool]]:
        """Return for each haplotype that the allele is scored on whether a change belongs there."""
        placed = self._changes.held(contig, change)
        if placed is None:
            return [lambda other: other.made == -1]
        places = [place for place in range(self._changes.haplotypes) if placed.held >> place & 1]
        phase_set = placed.phase_set
        if placed.is_on_all and phase_set is None:
            phase_set = self._nearest_set(pair)

        def on(place: int) -> Callable[[Placed], bool]:
            return lambda other: bool(other.made >> place & 1 and (other.is_on_all or other.phase_set == phase_set))

        return [on(place) for place in places]

    def _nearest_set(self, pair: AllelePair) -> bytes | None:
        """Return the phase set of the heterozygous change in the window that begins nearest; of two, the left one."""
        window = pair.window
        assert window is not None
        near = self._changes.near(window.contig, window.start, window.end)
        place = window.start + pair.offset
        sets = [(abs(p.change[0] - place), p.change[0], p.number, p.phase_set) for p in near if not p.is_on_all]
        return min(sets, key=lambda item: item[:3])[3] if sets else None


@contextlib.contextmanager
def haplotype_scorer(
    scorer: AlleleScorer, reader: VcfReader, genome: Genome, contigs: ContigMap, sample: str, scratch: Path
) -> Iterator[tuple[HaplotypeScorer, str]]:
    """Read the changes of a sample of sorted records; give the scorer with them, and a line about them for the user.

    Raises:
        UsageError, InputError, ResourceError: as `SampleChanges` and `HaplotypeScorer`.
    """
    with contextlib.closing(SampleChanges(reader, genome, contigs, sample, scratch)) as changes:
        yield HaplotypeScorer(scorer, changes), changes.note


def _check_windows(scorer: AlleleScorer) -> None:
    if not isinstance(scorer, WindowScorer):
        return
    if scorer.alphabet != "dna":
        raise UsageError(f"--haplotypes is for models of DNA, and this one reads {scorer.alphabet}: leave it out")
    if scorer.window is not None:
        raise UsageError(
            "--haplotypes moves bases, and --window is one fixed sequence: give --width, or leave --haplotypes out"
        )
    patcher = getattr(scorer.model, "patcher", None)
    if patcher is not None and patcher.placed:
        raise UsageError(
            "--haplotypes moves bases, and the model's patches go by coordinate on the reference: use a model whose "
            "patches are cut by the bases themselves, or leave --haplotypes out"
        )


def _together(pairs: Sequence[AllelePair]) -> HaplotypePairs:
    first = {field.name: getattr(pairs[0], field.name) for field in fields(AllelePair)}
    status = "EDGE_PADDED" if any(pair.status == "EDGE_PADDED" for pair in pairs) else pairs[0].status
    return HaplotypePairs(**{**first, "status": status}, haplotypes=tuple(pairs))
