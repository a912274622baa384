"""Hits of motifs along regions: matrix scans with a p-value, and what attribution the hit's bases carry."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genomelm.interpret.pwm import hit_limit, scan

COMPLEMENT = str.maketrans("ACGT", "TGCA")


class Hit(NamedTuple):
    """A window that matches a motif.

    Attributes:
        region: row. start, end: 0-based half-open in the region as it is read. strand: + or -, of the motif there.
        motif: its number. score: bits. p: of the score. sequence: as the motif reads it.
        q: smallest false discovery rate, over all windows of the motif, at which it counts.
        contribution: signed sum over its bases, unit of the score.
        concentration: mean |contribution| a base inside over that of its region (1: no more than elsewhere); 0 where
            the region carries nothing.
    """

    region: int
    start: int
    end: int
    strand: str
    motif: int
    score: float
    p: float
    q: float
    sequence: str
    contribution: float
    concentration: float


def call(
    one_hot: np.ndarray,
    contributions: np.ndarray,
    motifs: Sequence[np.ndarray],
    background: tuple[float, ...],
    largest_p: float = 1e-4,
) -> list[Hit]:
    """Scan regions for motifs.

    Args:
        one_hot: (N, l, 4). contributions: (N, l) signed. motifs: PPMs (w, 4). largest_p: see `pwm.hit_limit`.

    Returns:
        hits by region, start, motif. Of hits of one motif that overlap by more than half, on either strand, the one
        with the lowest p stays (a palindrome is one hit).
    """
    size = np.abs(contributions)
    mean = size.mean(axis=1)
    carried, total = (np.cumsum(np.pad(x, ((0, 0), (1, 0))), axis=1) for x in (contributions, size))
    letters = np.where(one_hot.sum(axis=-1) > 0, one_hot.argmax(axis=-1), 4)
    found = []
    for number, ppm in enumerate(motifs):
        width = len(ppm)
        scanned = scan(one_hot, ppm, background)
        rows, starts, flips = np.nonzero(scanned.p <= hit_limit(ppm, background, largest_p))
        windows = int(np.isfinite(scanned.scores).sum())
        p = scanned.p[rows, starts, flips]
        q = false_discovery(p, windows)
        for i in _lone(rows, starts, p, width):
            row, start, flip = int(rows[i]), int(starts[i]), int(flips[i])
            text = "".join("ACGTN"[c] for c in letters[row, start : start + width])
            inside = (total[row, start + width] - total[row, start]) / width
            found.append(
                Hit(
                    row,
                    start,
                    start + width,
                    "-" if flip else "+",
                    number,
                    float(scanned.scores[row, start, flip]),
                    float(p[i]),
                    float(q[i]),
                    text.translate(COMPLEMENT)[::-1] if flip else text,
                    float(carried[row, start + width] - carried[row, start]),
                    float(inside / mean[row]) if mean[row] > 0 else 0.0,
                )
            )
    return sorted(found, key=lambda h: (h.region, h.start, h.motif))


def _lone(rows: np.ndarray, starts: np.ndarray, p: np.ndarray, width: int) -> list[int]:
    """Return the numbers of hits to keep: the lowest p first, none that overlaps a kept one by more than half."""
    kept: list[int] = []
    taken: dict[int, list[int]] = {}
    for i in np.lexsort((starts, rows, p)):
        others = taken.setdefault(int(rows[i]), [])
        if all(abs(int(starts[i]) - other) >= width / 2 for other in others):
            others.append(int(starts[i]))
            kept.append(int(i))
    return kept


def false_discovery(p: np.ndarray, tests: int) -> np.ndarray:
    """Return q-values of p-values (n,), the smallest of `tests` (Benjamini and Hochberg 1995)."""
    order = np.argsort(p, kind="stable")
    raw = p[order] * tests / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return q
