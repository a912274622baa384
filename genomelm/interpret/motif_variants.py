"""Motifs that a variant makes or breaks: hits in one allele's window and not in the other's."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from genomelm.interpret.gradients import off_simplex
from genomelm.interpret.ism import one_hot
from genomelm.interpret.pwm import Scan, hit_limit, scan


@dataclasses.dataclass(frozen=True)
class VariantMaps:
    """Both alleles of a variant in their windows.

    Attributes:
        id: of the variant. ref_sequence, alt_sequence: windows with the same first base.
        offset: 0-based place of the variant in both. ref_length, alt_length: bases of each allele.
        ref_map, alt_map: (l, 4) ISM of each window, or None.
    """

    id: str
    ref_sequence: str
    alt_sequence: str
    offset: int
    ref_length: int
    alt_length: int
    ref_map: np.ndarray | None = None
    alt_map: np.ndarray | None = None


class Change(NamedTuple):
    """A motif gained or lost.

    Attributes:
        id: of the variant. motif: name. change: gained or lost. strand: + or -, along the window.
        start: of the hit, 0-based in the window of the allele that has it.
        ref_score, alt_score: best bits over the allele, on either strand. ref_p, alt_p: their p-values.
        contribution: signed sum of the hit's bases in the map of the allele that has it; "" without a map.
    """

    id: str
    motif: str
    change: str
    strand: str
    start: int
    ref_score: float
    alt_score: float
    ref_p: float
    alt_p: float
    contribution: float | str


def changes(
    motifs: Mapping[str, np.ndarray],
    variants: Sequence[VariantMaps],
    background: tuple[float, ...],
    largest_p: float,
) -> list[Change]:
    """Return the motifs (PPM (w, 4)) of which one allele has a hit over its bases and the other has none.

    A hit's p-value is at most `largest_p` (see `pwm.hit_limit`); the other allele's best is above it.
    """
    found = []
    limits = {name: hit_limit(ppm, background, largest_p) for name, ppm in motifs.items()} if variants else {}
    for variant in variants:
        windows = [one_hot(text)[None] for text in (variant.ref_sequence, variant.alt_sequence)]
        spans = [(variant.offset, variant.offset + n) for n in (variant.ref_length, variant.alt_length)]
        for name, ppm in motifs.items():
            best = [_best(scan(w, ppm, background), len(ppm), s) for w, s in zip(windows, spans, strict=True)]
            if any(b is None for b in best):
                continue
            ref, alt = best
            gained = alt[1] <= limits[name]
            if gained == (ref[1] <= limits[name]):
                continue
            start, flip = (alt if gained else ref)[2:]
            carried = _carried(variant.alt_map if gained else variant.ref_map, windows[gained][0], start, len(ppm))
            found.append(
                Change(
                    variant.id,
                    name,
                    "gained" if gained else "lost",
                    "-" if flip else "+",
                    start,
                    *(ref[0], alt[0], ref[1], alt[1]),
                    carried,
                )
            )
    return found


def _best(scanned: Scan, width: int, span: tuple[int, int]) -> tuple[float, float, int, int] | None:
    """Return score, p, start and flip of the best window over [span); None where the windows reach none.

    Over an empty span are the windows with a base on either side of it.
    """
    low, high = max(span[0] - width + 1, 0), min(span[1], scanned.scores.shape[1])
    if low >= high or not np.isfinite(scanned.scores[0, low:high]).any():
        return None
    at = int(np.argmax(scanned.scores[0, low:high]))
    start, flip = low + at // 2, at % 2
    return float(scanned.scores[0, start, flip]), float(scanned.p[0, start, flip]), start, flip


def _carried(effects: np.ndarray | None, letters: np.ndarray, start: int, width: int) -> float | str:
    if effects is None:
        return ""
    return float((off_simplex(effects[start : start + width]) * letters[start : start + width]).sum())


def by_variant(found: Sequence[Change], variants: Sequence[VariantMaps]) -> dict[str, dict[str, list[str]]]:
    """Return id -> {"gained": [motif and strand, as in motif_1+], "lost": [...]} of every variant."""
    rows: dict[str, dict[str, list[str]]] = {variant.id: {"gained": [], "lost": []} for variant in variants}
    for change in found:
        rows[change.id][change.change].append(change.motif + change.strand)
    return rows
