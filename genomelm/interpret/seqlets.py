"""Seqlets: short windows where attribution piles up, called against the same attributions with their places permuted.

Permuting the places within each sequence keeps every value and breaks up every pile, so the peaks that remain say how
high chance piles them. A window counts when, of all windows at least as high, at most `FDR` are expected by chance.
Positive and negative attribution are called apart, each against its own null.
"""

from typing import NamedTuple

import numpy as np

from genomelm.interpret.null import counter_rng

CORE = 8
"""Bases of the window whose sum is looked at."""
FLANK = 10
"""Bases on either side that a seqlet takes along, so that the far half of a two-part site is in it."""
FDR = 0.05
PERMUTATIONS = 10


class Seqlet(NamedTuple):
    """A window of one region.

    Attributes:
        region: row of the region. start, end: 0-based half-open in the region as it is read, flanks included.
        core: first of the `CORE` bases whose sum is high.
        sign: 1 or -1. attribution: sum over the core, unit of the score.
        p: share of peaks of permuted attributions that are at least as high.
    """

    region: int
    start: int
    end: int
    core: int
    sign: int
    attribution: float
    p: float


def call(contributions: np.ndarray, seed: int = 0) -> list[Seqlet]:
    """Call seqlets in signed contributions of the letters present.

    Args:
        contributions: (N, l); 0 where the sequence has no letter.
        seed: of the permutations.

    Returns:
        seqlets of both signs, by region, start and sign. Two cores of one sign in a region share no base.
    """
    return call_like(contributions, contributions, seed)


def call_like(calibration: np.ndarray, contributions: np.ndarray, seed: int = 0) -> list[Seqlet]:
    """Call seqlets in `contributions` (M, l) at the heights that count in `calibration` (N, l); see `call`."""
    length = calibration.shape[1]
    if length < CORE or not calibration.any():
        return []
    rng = counter_rng(seed, 0x5E91)
    permuted = [rng.permuted(calibration, axis=1) for _ in range(PERMUTATIONS)]
    found = []
    for sign in (1, -1):
        chance = np.sort(np.concatenate([peaks(sign * other)[2] for other in permuted]))
        heights = peaks(sign * calibration)[2]
        least = threshold(heights, _as_high(chance, heights))
        for row, start, height in zip(*peaks(sign * contributions), strict=True):
            if height >= least:
                first, last = max(int(start) - FLANK, 0), min(int(start) + CORE + FLANK, length)
                p = (1 + int(_as_high(chance, height))) / (1 + len(chance))
                found.append(Seqlet(int(row), first, last, int(start), sign, sign * float(height), p))
    return sorted(found)


def _as_high(chance: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return how many of `chance`, sorted, are at least as high."""
    return len(chance) - np.searchsorted(chance, heights - 1e-9 * np.abs(heights))


def peaks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the windows of `CORE` bases of (N, l) with a positive sum that no higher one overlaps.

    Taken from the highest down, as far as they share no base; of equal windows the first is taken.

    Returns:
        rows (m,), starts (m,) and sums (m,), by row, then from the highest down.
    """
    sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    sums = sums[:, CORE:] - sums[:, :-CORE]  # (N, l - CORE + 1)
    taken = []
    for row, line in enumerate(sums):
        free = line > 0
        for start in np.argsort(-line, kind="stable"):
            if line[start] <= 0:
                break
            if free[start]:
                taken.append((row, start, line[start]))
                free[max(start - CORE + 1, 0) : start + CORE] = False
    rows, starts, heights = zip(*taken, strict=True) if taken else ((), (), ())
    return np.array(rows, np.int64), np.array(starts, np.int64), np.array(heights, np.float64)


def threshold(heights: np.ndarray, beaten: np.ndarray) -> float:
    """Return the lowest height at which at most `FDR` of the peaks are expected by chance; inf when there is none.

    Args:
        heights: (m,). beaten: (m,) peaks of all permutations that are at least as high.
    """
    order = np.argsort(-heights, kind="stable")
    expected = (beaten[order] + 1) / PERMUTATIONS / np.arange(1, len(order) + 1)
    passing = np.flatnonzero(expected <= FDR)
    return float(heights[order][passing[-1]]) if len(passing) else np.inf
