"""Variants of a VCF with the windows in which they are explained, and the maps of both alleles on one scale."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.interpret import ism
from genomelm.interpret.mutants import saturated
from genomelm.interpret.reading import pair_effects, readings_of_pair
from genomelm.interpret.region_model import RegionModel
from genomelm.interpret.regions import Region, Regions
from genomelm.scoring.contigs import ContigMap, check_lengths
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.vcf import VcfReader, name_of, position
from genomelm.seq.window import SCORED, AllelePair, allele_pair, allele_pair_in


@dataclasses.dataclass(frozen=True)
class Listed:
    """The alternative alleles of a VCF, in file order.

    Attributes:
        pairs: of every allele; those whose status is in SCORED have windows, all of one length.
        regions: the windows of these.
    """

    pairs: tuple[AllelePair, ...]
    regions: Regions

    @property
    def scored(self) -> list[AllelePair]:
        """The pairs that have windows, one a region."""
        return [pair for pair in self.pairs if pair.status in SCORED]


def read_variants(genome: Genome, path: str | Path, width: int) -> Listed:
    """Read the variants of a VCF, each with `width` bases of reference around it.

    A window that would pass a contig's end is moved inwards.

    Raises:
        InputError: no variant, or none that can be explained; a damaged file.
        AssemblyError: the VCF is of another assembly.
    """
    reader = VcfReader(path)
    check_lengths(reader.header, genome, path)
    contigs = ContigMap(genome, reader.header)
    pairs = []
    for number, line in reader.records():
        raw, pos, _, ref, alts, _ = line.split(b"\t", 5)
        contig = contigs[raw] or name_of(raw)
        for alt in alts.split(b",") if alts != b"." else ():
            place = position(reader, number, pos)
            variant = Variant(contig, place, ref.decode("latin-1"), alt.decode("latin-1"))
            pairs.append(_pair(genome, variant, width))
    scored = [pair for pair in pairs if pair.status in SCORED]
    if not scored:
        statuses = ", ".join(sorted({pair.status for pair in pairs}))
        why = f"none of its {len(pairs)} variants can be explained ({statuses})" if pairs else "it holds no variants"
        raise InputError(f"{path}: {why}; give variants of {genome.path}")
    rows = tuple(
        Region(f"r{n + 1:04}", pair.window.contig, pair.window.start, pair.window.end, "+", str(pair.variant))
        for n, pair in enumerate(scored)
    )
    return Listed(tuple(pairs), Regions(rows, tuple(pair.ref for pair in scored), dict(genome.contigs)))


def _pair(genome: Genome, variant: Variant, width: int) -> AllelePair:
    pair = allele_pair(genome, variant, width)
    if pair.status not in SCORED or len(pair.ref) == width:
        return pair
    contig, length = pair.window.contig, genome.contigs[pair.window.contig]
    if length < width:
        raise InputError(f"{contig} has {length:,} bases, fewer than --width {width}: give a smaller one")
    start = 0 if pair.window.start == 0 else length - width
    return allele_pair_in(genome, variant, Interval(contig, start, start + width))


def alternative_maps(models: Sequence[RegionModel], pairs: Sequence[AllelePair]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Explain the alternative alleles of some pairs, in their references' patches.

    Returns:
        Scores float64 (n,), alternative minus reference, and the ISM of each alternative window, (l', 4), l' its
        bases; means over the models.
    """
    scores, maps = [], []
    for model in models:
        scores.append(pair_effects(model.model, model.target, pairs))
        readings = [readings_of_pair(model.model, pair)[1] for pair in pairs]
        maps.append(saturated(model.model, model.target, readings))
    return np.mean(scores, 0), [np.mean(of_one, 0) for of_one in zip(*maps, strict=True)]


def fitted(rows: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Return (V, length, 4) of maps (l', 4): cut at the right end, or filled with rows of zeros."""
    found = np.zeros((len(rows), length, 4))
    for number, row in enumerate(rows):
        found[number, : len(row)] = row[:length]
    return found


def variant_arrays(listed: Listed, ref_ism: np.ndarray, alt_maps: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return what variants.npz holds: maps and bases (V, l, 4) of both alleles, offset and lengths (V,)."""
    pairs, length = listed.scored, listed.regions.length
    return {
        "ref_ism": ref_ism,
        "alt_ism": fitted(alt_maps, length),
        "ref_one_hot": np.stack([ism.one_hot(pair.ref) for pair in pairs]),
        "alt_one_hot": fitted([ism.one_hot(pair.alt) for pair in pairs], length),
        "offset": np.array([pair.offset for pair in pairs]),
        "ref_length": np.array([pair.ref_length for pair in pairs]),
        "alt_length": np.array([pair.alt_length for pair in pairs]),
    }


def variant_rows(
    listed: Listed, scores: np.ndarray, motifs: Mapping[str, Mapping[str, Sequence[str]]]
) -> list[dict[str, object]]:
    """Return the rows of variants.tsv, one an allele in file order; the id is its region's, '.' where it has none.

    Args:
        scores: (V,), of the regions.
        motifs: id -> {"gained": names, "lost": names}; empty where motifs were not looked for.
    """
    rows, taken = [], iter(zip(listed.regions.rows, scores, strict=True))
    for pair in listed.pairs:
        region, score = next(taken) if pair.status in SCORED else (None, None)
        variant, changed = pair.variant, {} if region is None else motifs.get(region.id, {})
        rows.append(
            {
                "id": "." if region is None else region.id,
                "contig": variant.contig,
                "pos": variant.pos,
                "ref": variant.ref,
                "alt": variant.alt,
                "score": "" if score is None else f"{score:.7g}",
                "status": pair.status,
                **{key: ",".join(changed.get(key, ())) for key in ("gained", "lost")},
            }
        )
    return rows
