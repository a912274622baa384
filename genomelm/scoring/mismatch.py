"""REF alleles that differ from the reference: one is a row with a status, many are another assembly."""

from collections import Counter
from collections.abc import Iterable, Mapping

from genomelm.errors import AssemblyError, UsageError
from genomelm.scoring.contigs import ADVICE, assembly_advice
from genomelm.seq.assemblies import too_many
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.vcf import Header

MISMATCHES = frozenset({"ALT_IS_REF_SWAP", "REF_MISMATCH"})
COMPARED = MISMATCHES | {"TOO_LONG", "N_IN_WINDOW", "NONFINITE", "EDGE_PADDED", "OK"}
CHOICES = ("flag", "error", "drop")


class MismatchTally:
    """Counts per contig, and stops the run when they say that the assembly is wrong.

    Args:
        on_mismatch: flag (a status), error (stop at the first), or drop (leave the record out); kept as an attribute.
    """

    def __init__(self, genome: Genome, header: Header, path: object, on_mismatch: str) -> None:
        if on_mismatch not in CHOICES:
            raise UsageError(f"--on-ref-mismatch '{on_mismatch}' is unknown; choose {', '.join(CHOICES)}")
        self._genome, self._header, self._path, self.on_mismatch = genome, header, path, on_mismatch
        self._compared: Counter[str] = Counter()
        self._mismatched: Counter[str] = Counter()
        self._first: dict[str, Variant] = {}

    def add(self, variant: Variant, statuses: set[str]) -> bool:
        """Count one record; return whether it is to be dropped.

        Args:
            variant: any of the record's alleles, on the genome's contig.
            statuses: of all its alleles.

        Raises:
            AssemblyError: the first mismatch when errors were asked for, or too many on the contig.
        """
        if not statuses & COMPARED:
            return False
        contig = variant.contig
        self._compared[contig] += 1
        if not statuses & MISMATCHES:
            return False
        self._mismatched[contig] += 1
        first = self._first.setdefault(contig, variant)
        bad, seen = self._mismatched[contig], self._compared[contig]
        if self.on_mismatch == "error":
            raise AssemblyError(
                f"{self._path}: {self._difference(variant)}: {assembly_advice(self._header, self._genome)}"
            )
        if too_many(bad, seen):
            raise AssemblyError(
                f"{self._path}: {bad} of {seen} REF alleles on {contig} differ from {self._genome.path} (first: "
                f"{self._difference(first)}): {assembly_advice(self._header, self._genome)}"
            )
        return self.on_mismatch == "drop"

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Contig -> records that mismatch, and records that were compared."""
        return {contig: (self._mismatched[contig], seen) for contig, seen in self._compared.items()}

    @property
    def state(self) -> dict:
        """The counts as plain JSON values."""
        return {"compared": dict(self._compared), "mismatched": dict(self._mismatched)}

    @state.setter
    def state(self, state: dict) -> None:
        self._compared, self._mismatched = Counter(state["compared"]), Counter(state["mismatched"])

    def _difference(self, variant: Variant) -> str:
        start = variant.pos - 1
        found = self._genome.fetch(Interval(variant.contig, start, start + len(variant.ref)))
        return f"{variant.contig}:{variant.pos} REF is '{_short(variant.ref)}' but the FASTA has '{_short(found)}'"


def check_sums(counts: Iterable[Mapping[str, tuple[int, int]]], path: object) -> None:
    """Hold what several runs counted on shares of one VCF against the rule of one run.

    Raises:
        AssemblyError: too many mismatches on a contig.
    """
    compared: Counter[str] = Counter()
    mismatched: Counter[str] = Counter()
    for share in counts:
        for contig, (bad, seen) in share.items():
            mismatched[contig] += bad
            compared[contig] += seen
    for contig, bad in mismatched.items():
        if too_many(bad, compared[contig]):
            raise AssemblyError(
                f"{path}: {bad} of {compared[contig]} REF alleles on {contig} differ from the reference, all shards "
                f"together: {ADVICE}"
            )


def _short(allele: str) -> str:
    return allele if len(allele) <= 20 else f"{allele[:20]}... ({len(allele)} bases)"
