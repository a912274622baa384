"""Codon frames from an annotation: where coding sequence forces starts, and the phase of its codons."""

from collections.abc import Iterable

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.patching.breaks import Breaks
from genomelm.seq.annotation import Feature


def codon_breaks(features: Iterable[Feature], multiple: int = 3) -> dict[str, Breaks]:
    """Return forced starts at the ends of each CDS piece, framed so that patches of `multiple` bases hold whole codons.

    A piece on '+' has its first whole codon `frame` bases after its start, one on '-' `frame` bases before its
    end; either way codons begin at coordinates of one remainder. Outside of coding sequence the phase is 0: the
    absolute coordinate. Where pieces overlap, the one that begins first (of those the longest) keeps its frame to
    its end; then the one that began first of those still going on takes over. A piece that runs past the contig's
    end, as on a circular one, has no frame in the part behind the origin.

    Args:
        features: of an annotation; others than CDS are passed over.
        multiple: bases that every patch has a multiple of; 3, 6, 9, ...

    Returns:
        contig -> Breaks; contigs without CDS are absent.

    Raises:
        UsageError: `multiple` is no multiple of 3.
        InputError: a CDS has no frame or no strand.
    """
    if multiple < 3 or multiple % 3:
        raise UsageError(f"patches in multiples of {multiple} cannot hold whole codons: take 3, 6, 9, ...")
    pieces: dict[str, set[tuple[int, int, int]]] = {}
    for feature in features:
        if feature.kind == "CDS":
            pieces.setdefault(feature.contig, set()).add((feature.start, -feature.end, _phase(feature, multiple)))
    return {contig: _breaks(sorted(found)) for contig, found in pieces.items()}


def _phase(cds: Feature, multiple: int) -> int:
    if cds.frame is None or cds.strand not in ("+", "-"):
        missing = "phase (column 8)" if cds.frame is None else "strand (column 7)"
        raise InputError(f"the CDS at {cds.contig}:{cds.start + 1}-{cds.end} has no {missing}: its codons are unknown")
    return (cds.start + cds.frame if cds.strand == "+" else cds.end - cds.frame) % multiple


def _breaks(pieces: list[tuple[int, int, int]]) -> Breaks:
    """Return the breaks of pieces (start, -end, phase), sorted."""
    phases: dict[int, int] = {}
    held_to = 0
    for start, negative_end, phase in pieces:
        if -negative_end > held_to:
            phases[max(start, held_to)] = phase
            held_to = -negative_end
            phases[held_to] = 0  # unless the next piece begins here or goes on
    edges = np.unique([(start, -negative_end) for start, negative_end, _ in pieces])
    framed = np.array(sorted(phases.items()), np.int64)
    return Breaks.merged(Breaks.unframed(edges), Breaks(framed[:, 0].copy(), framed[:, 1].copy()))
