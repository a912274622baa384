"""An annotated genome: where its coding sequence lies."""

from pathlib import Path

from genomelm.errors import InputError
from genomelm.seq.annotation import merge, on_contig, read_gff
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval


def annotated_intervals(gff: str | Path, genome: Genome) -> tuple[dict[str, list[Interval]], dict[str, list[Interval]]]:
    """Return the union of CDS features and the union of all features, by contig, sorted.

    Raises:
        InputError: the GFF names no contig of the genome, or has no CDS.
    """
    coding: dict[str, list[Interval]] = {}
    other: dict[str, list[Interval]] = {}
    for feature in read_gff(gff):
        contig = genome.resolve(feature.contig)
        place = feature.interval
        # A line for the whole contig (region, chromosome, scaffold) says nothing about its bases.
        if contig is None or len(place) >= genome.contigs[contig]:
            continue
        pieces = on_contig(feature, contig, genome.contigs[contig])
        other.setdefault(contig, []).extend(pieces)
        if feature.kind == "CDS":
            coding.setdefault(contig, []).extend(pieces)
    if not other:
        raise InputError(f"{gff} has no feature on {', '.join(list(genome.contigs)[:3])}: is it of another assembly?")
    if not coding:
        raise InputError(f"{gff} has no CDS feature: there is nothing to tell apart; give a GFF with CDS lines")
    return tuple({contig: merge(found) for contig, found in group.items()} for group in (coding, other))
