"""A background of known variants, such as common ones: a fixed subset of a VCF, by class."""

import heapq
from collections.abc import Callable
from pathlib import Path

from genomelm.errors import InputError
from genomelm.runtime import counter_seed
from genomelm.scoring.background import all_classes, variant_class
from genomelm.scoring.contigs import ContigMap
from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.vcf import VcfReader, position
from genomelm.seq.window import SCORED, AllelePair

SPARE = 8
"""Alleles that are drawn for each one that is wanted: classes are not equally frequent."""


def known_variants(
    path: str | Path, genome: Genome, per_class: int, seed: int, pair: Callable[[Variant], AllelePair]
) -> list[AllelePair]:
    """Draw alleles of a VCF, `per_class` of each class or as many as the draw holds.

    Which ones are drawn is a pure function of the seed and of each allele, whatever the order of the file.

    Args:
        path: VCF, plain, gzip or BGZF.
        genome: the reference.
        per_class: variants of a class.
        seed: of the draw.
        pair: makes the windows of a variant; those that cannot be scored are left out.

    Raises:
        InputError: no allele can be scored.
    """
    names, reader = all_classes(), VcfReader(path)
    contigs = ContigMap(genome, reader.header)
    size = SPARE * per_class * len(names)
    drawn: list[tuple[int, str, int, str, str]] = []  # a heap whose first entry is the one to go
    for number, line in reader.records():
        contig, pos, _, ref, alts, _ = line.split(b"\t", 5)
        name = contigs[contig]
        if name is None:
            continue
        place, before = position(reader, number, pos), ref.decode("ascii", "replace").upper()
        for alt in alts.decode("ascii", "replace").upper().split(","):
            if not (before + alt).isalpha():
                continue
            entry = (-counter_seed("known", seed, name, place, before, alt), name, place, before, alt)
            if len(drawn) < size:
                heapq.heappush(drawn, entry)
            else:
                heapq.heappushpop(drawn, entry)
    wanted, found = dict.fromkeys(names, per_class), {}
    for _, *place in sorted(drawn, reverse=True):
        if tuple(place) in found:
            continue
        windows = pair(Variant(*place))
        kind = variant_class(windows) if windows.status in SCORED else None
        if kind is not None and wanted[kind]:
            wanted[kind] -= 1
            found[tuple(place)] = windows
    if not found:
        raise InputError(f"{path} holds no variant that can be scored on {genome.path}: is it of another assembly?")
    order = {contig: n for n, contig in enumerate(genome.contigs)}
    return [found[key] for key in sorted(found, key=lambda key: (order[key[0]], *key[1:]))]
