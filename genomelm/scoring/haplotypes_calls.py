"""One sample's genotypes as a VCF's columns hold them: which alleles stand on which haplotype."""

import difflib
import re
from dataclasses import dataclass

from genomelm.errors import UsageError
from genomelm.seq.vcf import Header, name_of

_FIRST = 9  # columns before the samples
_MOST = 62  # haplotypes of a sample: bits of an SQLite integer
_GENOTYPE = re.compile(rb"[|/]?(?:\d+|\.)(?:[|/](?:\d+|\.))*")
_ALLELE = re.compile(rb"\d+|\.")


def sample_column(header: Header, sample: str, path: object) -> int:
    """Return the 0-based column of a sample.

    Messages name no sample: the one that is spelled most like it is told by its number.

    Raises:
        UsageError: the file has no samples, or not this one.
    """
    names = [name_of(name) for name in header.columns.rstrip(b"\r\n").split(b"\t")[_FIRST:]]
    if not names:
        raise UsageError(f"--haplotypes: {path} has no genotypes (no sample columns); give a VCF with phased GT")
    if sample in names:
        return _FIRST + names.index(sample)
    folded = [name.casefold() for name in names]
    close = difflib.get_close_matches(sample.casefold(), folded, n=1)
    nearest = f"; the nearest name is sample number {folded.index(close[0]) + 1} of the #CHROM line" if close else ""
    raise UsageError(f"--haplotypes: {path} has {len(names)} samples, but not the one that is named{nearest}")


@dataclass(frozen=True)
class Call:
    """A genotype that holds an alternative allele.

    Args:
        alleles: allele of each haplotype, 0 the reference; None where it is missing.
        phased: whether the haplotypes are told apart ('|' between all); so they are where there is one.
        phase_set: PS; None where it is missing.
    """

    alleles: tuple[int | None, ...]
    phased: bool
    phase_set: bytes | None = None

    @property
    def is_same(self) -> bool:
        """Whether all haplotypes have one allele: homozygous, or haploid."""
        return None not in self.alleles and len(set(self.alleles)) == 1

    @property
    def alternatives(self) -> list[int]:
        """The alternative alleles that it holds, in order."""
        return sorted({allele for allele in self.alleles if allele})

    def haplotypes_of(self, allele: int) -> int:
        """Return the haplotypes that hold an allele as bits, the first the lowest."""
        return sum(1 << place for place, held in enumerate(self.alleles) if held == allele)


def read_call(form: bytes, text: bytes, most: int) -> Call | None:
    """Read a sample's column; None: it has no GT, a missing one, or no alternative allele in it.

    Args:
        form: FORMAT.
        text: the column; values at its end may be left out.
        most: alternative alleles of the record.

    Raises:
        ValueError: it is no genotype of this record.
    """
    values = dict(zip(form.split(b":"), text.split(b":"), strict=False))
    genotype = values.get(b"GT", b".")
    if not _GENOTYPE.fullmatch(genotype):
        raise ValueError("no genotype")
    alleles = tuple(None if raw == b"." else int(raw) for raw in _ALLELE.findall(genotype))
    if len(alleles) > _MOST or max(allele or 0 for allele in alleles) > most:
        raise ValueError("no genotype of this record")
    if not any(alleles):
        return None
    phase_set = values.get(b"PS", b".")
    return Call(alleles, b"/" not in genotype, None if phase_set == b"." else phase_set)
