"""Contigs of a VCF against those of the reference: names that mean the same, lengths that must agree."""

from genomelm.errors import AssemblyError
from genomelm.seq.assemblies import likely_assembly, plain_name
from genomelm.seq.genome import Genome
from genomelm.seq.vcf import Header, name_of

ADVICE = "is this VCF on another assembly? Give the FASTA that the variants were called on"


def check_lengths(header: Header, genome: Genome, path: object) -> None:
    """Hold the ##contig lengths against the reference.

    An alias with another length only stays unresolved while other contigs agree. The mitochondrion never
    decides: hg19's differs from GRCh37's, which is the same assembly otherwise.

    Raises:
        AssemblyError: a contig has the reference's name but another length, or no aliased contig has the right one.
    """
    same_name, aliased, agreeing = [], [], 0
    for name, length in header.contig_lengths().items():
        if length is None or plain_name(name) == "M":
            continue
        found = genome.resolve(name)
        if found is None:
            continue
        if genome.resolve(name, length):
            agreeing += 1
        else:
            (same_name if found == name else aliased).append((name, length, found))
    disagreeing = same_name or ([] if agreeing else aliased)
    if disagreeing:
        name, length, found = disagreeing[0]
        raise AssemblyError(
            f"{path} declares contig {name} with {length:,} bases, but {found} in {genome.path} has "
            f"{genome.contigs[found]:,} "
            f"({len(disagreeing)} contigs disagree, {agreeing} agree): {assembly_advice(header, genome)}"
        )


def assembly_advice(header: Header, genome: Genome) -> str:
    """Say which assemblies the two files look like, and what to do."""
    lengths = {name: length for name, length in header.contig_lengths().items() if length is not None}
    hints = [name_of(line) for line in header.lines if line.startswith((b"##reference", b"##contig", b"##assembly"))]
    ours, theirs = likely_assembly(genome.contigs), likely_assembly(lengths, hints)
    if theirs and theirs != ours:
        looks = f", the reference looks like {ours}" if ours else ""
        return f"the VCF looks like {theirs}{looks}; score it against the FASTA of {theirs}, or lift it over"
    if ours:
        return f"the reference looks like {ours}, the VCF is likely on another assembly; give that one's FASTA"
    return ADVICE


class ContigMap:
    """The genome's name for each contig of a VCF, or None; aliases count only when lengths do not disagree."""

    def __init__(self, genome: Genome, header: Header) -> None:
        self._genome = genome
        self.declared = header.contig_lengths()
        self._known: dict[bytes, str | None] = {}

    def __getitem__(self, raw: bytes) -> str | None:
        if raw not in self._known:
            name = name_of(raw)
            self._known[raw] = self._genome.resolve(name, self.declared.get(name))
        return self._known[raw]
