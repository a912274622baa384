"""How boundaries lie to features: recall and precision at their edges, against what chance would give.

Chance is a circular shift of the features against the boundaries of their contig, drawn uniformly. It keeps
how each of the two is spread along the contig. The contig's ends count as neighbours, here and in what is
observed, so that what is observed is one of the shifts.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numba import njit

from genomelm.patching.runs import contig_breaks
from genomelm.seq.annotation import Feature
from genomelm.seq.interval import read_bed

Places = dict[str, np.ndarray]
"""Contig -> edges int64 (m,): positions between bases; or regions int64 (m, 2): starts and ends."""

SHIFTS, PROMOTER = 100, 50

_BLOCK = 64  # bases that share an entry of the index into the starts


@dataclasses.dataclass(frozen=True)
class Overlap:
    """Counts of one class of features against boundaries; those of several contigs are added.

    Attributes:
        features: distinct edges, or regions once those that touch are joined.
        starts: patches.
        hit: edges with a start within the window, at shift 0 and under each shift, int64 (1 + n,); None for regions.
        near: starts within the window of an edge or inside a region, int64 (1 + n,).
        expected_hit, expected_near: their means over all shifts, exactly.
    """

    features: int
    starts: int
    hit: np.ndarray | None
    near: np.ndarray
    expected_hit: float
    expected_near: float

    def __add__(self, other: "Overlap") -> "Overlap":
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        return Overlap(**{name: None if mine[name] is None else mine[name] + theirs[name] for name in mine})

    def summary(self) -> dict:
        """Return counts, recall (None for regions) and precision; where nothing can be counted, None.

        Recall and precision are each {"observed", "expected", "enrichment" (observed over expected), "z", "p"
        (share of shifts, the true place among them, with at least as many)}. Recall is the share of edges with a
        start within the window, precision the share of starts within the window of an edge or inside a region.
        """
        recall = None if self.hit is None else self._share(self.hit, self.expected_hit, self.features)
        precision = self._share(self.near, self.expected_near, self.starts)
        return {"features": self.features, "starts": self.starts, "recall": recall, "precision": precision}

    def _share(self, counts: np.ndarray, expected: float, of: int) -> dict | None:
        if not (self.features and self.starts):
            return None
        observed, shifted = int(counts[0]), counts[1:]
        spread = float(np.sqrt(np.mean((shifted - expected) ** 2))) if len(shifted) else 0.0
        return {
            "observed": observed / of,
            "expected": expected / of,
            "enrichment": observed / expected if expected else None,
            "z": (observed - expected) / spread if spread else None,
            "p": float((1 + np.sum(shifted >= observed)) / (1 + len(shifted))),
        }


def overlap(starts: np.ndarray, places: np.ndarray, length: int, window: int = 2, seed: int = 0) -> Overlap:
    """Count how the boundaries of one contig lie to features.

    Args:
        starts: of its patches, int64 (p,), increasing.
        places: edges int64 (m,), of which those at the contig's two ends are left out (a patch starts there
            anyway), or regions int64 (m, 2), of which what passes the contig is left out. Any order, repeats allowed.
        length: bases of the contig.
        window: a start is at an edge when at most so many bases lie between the two; no matter for regions.
        seed: of the SHIFTS random shifts, with `length` beside it.
    """
    regions = places.ndim == 2
    before, after = _joined(places, length) if regions else _around(places, length, window)
    arcs = np.stack([before, after], axis=1)
    features = len(arcs)
    shifts = np.zeros(1 + SHIFTS, np.int64)
    if length > 1:
        shifts[1:] = np.random.default_rng(np.random.SeedSequence((seed, length))).integers(1, length, SHIFTS)
    hit, near = np.zeros((2, 1 + SHIFTS), np.int64)
    expected_hit = 0.0
    if features and len(starts):
        first = np.searchsorted(starts, np.arange(0, length + _BLOCK, _BLOCK))
        reach = 0 if regions else 2 * window + 1
        _count(starts, first, arcs, reach, length, shifts, hit, near)
        gaps = np.diff(starts, append=starts[0] + length)
        expected_hit = features * int(np.minimum(gaps, reach).sum()) / length
    expected_near = len(starts) * int((after - before).sum()) / length if length else 0.0
    return Overlap(features, len(starts), None if regions else hit, near, expected_hit, expected_near)


def gff_classes(features: Iterable[Feature]) -> dict[str, Places]:
    """Return the classes of an annotation: exon (or CDS) edges, gene starts, and promoters as regions.

    A genome with spliced genes has at least as many exon lines as CDS lines, and its exons are taken; in bacteria,
    where only RNA genes have exons, the CDS. A promoter is the PROMOTER bases before a gene's first. Classes
    without a feature are absent.
    """
    exons: dict[str, list[int]] = {}
    coding: dict[str, list[int]] = {}
    genes: dict[str, list[int]] = {}
    promoters: dict[str, list[tuple[int, int]]] = {}
    for feature in features:
        if feature.kind in ("exon", "CDS"):
            edges = exons if feature.kind == "exon" else coding
            edges.setdefault(feature.contig, []).extend((feature.start, feature.end))
        elif feature.kind in ("gene", "ncRNA_gene") and feature.strand in ("+", "-"):
            first = feature.start if feature.strand == "+" else feature.end
            genes.setdefault(feature.contig, []).append(first)
            upstream = max(first - PROMOTER, 0) if feature.strand == "+" else first + PROMOTER
            promoters.setdefault(feature.contig, []).append((min(first, upstream), max(first, upstream)))
    spliced = sum(map(len, exons.values())) >= sum(map(len, coding.values()))
    classes = {
        "exon edges" if spliced else "CDS edges": exons if spliced else coding,
        "gene starts": genes,
        "promoters": promoters,
    }
    return {
        name: {contig: np.array(found, np.int64) for contig, found in places.items()}
        for name, places in classes.items()
        if places
    }


def bed_class(path: str | Path) -> Places:
    """Return both edges of every interval of a BED file.

    Raises:
        InputError: the file cannot be read as BED.
    """
    edges: dict[str, list[int]] = {}
    for interval in read_bed(path):
        edges.setdefault(interval.contig, []).extend((interval.start, interval.end))
    return {contig: np.array(found, np.int64) for contig, found in edges.items()}


def repeat_class(pieces: Iterable[str]) -> np.ndarray:
    """Return the edges int64 (m,) of lower-case runs, which mark repeats, in one contig's text in pieces."""
    return contig_breaks(pieces, ("case",), "at").positions


def _around(edges: np.ndarray, length: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return disjoint arcs [before, after) of the circle, together all bases within `window` of an edge."""
    edges = np.unique(edges)
    edges = edges[(edges > 0) & (edges < length)]
    if not len(edges):
        return edges, edges
    gaps = np.diff(edges, append=edges[0] + length)
    return edges - window, edges - window + np.minimum(gaps, 2 * window + 1)


def _joined(regions: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the union of regions inside the contig as disjoint [before, after)."""
    regions = regions.clip(0, length)
    regions = regions[regions[:, 0] < regions[:, 1]]
    regions = regions[np.argsort(regions[:, 0], kind="stable")]
    reach = np.maximum.accumulate(regions[:, 1])
    apart = regions[1:, 0] > reach[:-1]
    ends = np.append(apart, True)[: len(regions)]
    return regions[np.append(True, apart)[: len(regions)], 0], reach[ends]


@njit(cache=True, nogil=True)
def _rank(starts, first, length, position):  # pragma: no cover
    """Count the starts before a position of the circle, unrolled: one turn further has them all again."""
    turn, place = position // length, position % length
    rank = first[place // _BLOCK]
    while rank < starts.shape[0] and starts[rank] < place:
        rank += 1
    return turn * starts.shape[0] + rank


@njit(cache=True, nogil=True)
def _count(starts, first, arcs, reach, length, shifts, hit, near):  # pragma: no cover
    """Count under each shift the arcs [before, before + reach) with a start, and the starts inside of arcs."""
    for number in range(shifts.shape[0]):
        for arc in range(arcs.shape[0]):
            before = arcs[arc, 0] + shifts[number]
            rank = _rank(starts, first, length, before)
            near[number] += _rank(starts, first, length, arcs[arc, 1] + shifts[number]) - rank
            if reach and _rank(starts, first, length, before + reach) > rank:
                hit[number] += 1
