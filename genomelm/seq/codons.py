"""Where each base stands in its codon, by coordinate and strand, from an annotation's coding sequence."""

import functools
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.files import sha256
from genomelm.seq.annotation import read_gff
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

NO_PHASE = 3
"""Codon phase of what is not coding sequence of its strand."""


class CodonPhases:
    """Codon phases 0, 1 and 2 of the coding sequence on either strand.

    A piece that runs past the contig's end, as on a circular one, has no phase in the part behind the origin.

    Args:
        path: GFF3 or GTF; features other than CDS are passed over.
        genome: what the annotation is of.

    Attributes:
        path: the file that was given.

    Raises:
        InputError: no CDS lies on a contig of the genome, or one begins behind its end or has no phase or strand.
    """

    def __init__(self, path: str | Path, genome: Genome) -> None:
        self.path = Path(path)
        pieces: dict[tuple[str, str], set[tuple[int, int, int]]] = {}
        for cds in read_gff(path):
            contig = genome.resolve(cds.contig) if cds.kind == "CDS" else None
            if contig is None:
                continue
            where = f"the CDS at {cds.contig}:{cds.start + 1}-{cds.end} of {path}"
            if cds.frame is None or cds.strand not in ("+", "-"):
                missing = "phase (column 8)" if cds.frame is None else "strand (column 7)"
                raise InputError(f"{where} has no {missing}: its codons are unknown")
            if cds.start >= genome.contigs[contig]:
                raise InputError(
                    f"{where} begins behind the end of {contig} ({genome.contigs[contig]:,} bases): "
                    "is the annotation of another assembly?"
                )
            pieces.setdefault((contig, cds.strand), set()).add((cds.start, cds.end, cds.frame))
        if not pieces:
            raise InputError(f"{path} has no CDS on a contig of {genome.path}: is it of another assembly?")
        self._pieces = {key: np.array(sorted(found), np.int64) for key, found in pieces.items()}
        self._reached = {key: np.maximum.accumulate(found[:, 1]) for key, found in self._pieces.items()}

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the file as it lies on disk."""
        return sha256(self.path)

    def values(self, interval: Interval) -> np.ndarray:
        """Return the phase of each base, read along the interval's strand: int64 (l,), 0, 1, 2 or NO_PHASE.

        Coding sequence of the other strand has none, nor have bases whose overlapping pieces disagree.
        """
        phases = np.full(len(interval), NO_PHASE)
        key = (interval.contig, interval.strand)
        if key not in self._pieces:
            return phases
        pieces, clashes = self._pieces[key], np.zeros(len(interval), bool)
        first = np.searchsorted(self._reached[key], interval.start, side="right")
        last = np.searchsorted(pieces[:, 0], interval.end)
        for start, end, frame in pieces[first:last].tolist():
            here = np.arange(max(start, interval.start), min(end, interval.end))
            told = (here - start - frame if interval.strand == "+" else end - 1 - here - frame) % 3
            place = here - interval.start
            clashes[place] |= (phases[place] != NO_PHASE) & (phases[place] != told)
            phases[place] = told
        phases[clashes] = NO_PHASE
        return phases if interval.strand == "+" else phases[::-1].copy()
