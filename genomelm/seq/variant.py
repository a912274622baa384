"""One alternative allele at one position."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """A substitution, insertion or deletion as a VCF writes it.

    Args:
        contig: contig name as the genome spells it.
        pos: 1-based position of the first base of `ref`.
        ref: reference allele, any case.
        alt: one alternative allele, any case; symbolic and breakend alleles are allowed and get a status.
    """

    contig: str
    pos: int
    ref: str
    alt: str

    def __str__(self) -> str:
        return f"{self.contig}:{self.pos}:{self.ref}>{self.alt}"
