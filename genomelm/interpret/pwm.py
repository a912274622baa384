"""Motifs as matrices: log-odds scores, their exact p-values, and the scan of both strands.

A motif is a PPM: (w, 4) probabilities in the order A C G T. Its score at a window is the sum over columns of
log2(probability / background). The p-value of a score is the chance of at least that score in w independent letters
of the background, from the exact distribution of scores rounded to 1/100 bit.
"""

import functools
from typing import NamedTuple

import numpy as np

UNIFORM = (0.25, 0.25, 0.25, 0.25)
STEPS_A_BIT = 100
LEAST = 0.01
"""Pseudo-probability that each letter of a column is raised by, in parts of the background, before the logarithm."""


class Scan(NamedTuple):
    """Windows of a motif along sequences.

    Attributes:
        scores: (N, l - w + 1, 2) bits of the window that starts at each offset, forward and reverse complement; -inf
            where it holds a letter other than ACGT.
        p: (N, l - w + 1, 2) p-values of these, 1 where the score is -inf.
    """

    scores: np.ndarray
    p: np.ndarray


def flipped(matrix: np.ndarray) -> np.ndarray:
    """Return a (..., w, 4) matrix read along the other strand: ACGT backwards is TGCA, so both axes turn round."""
    return matrix[..., ::-1, ::-1]


def information(ppm: np.ndarray, background: tuple[float, ...] = UNIFORM) -> np.ndarray:
    """Return (w,) bits a column: relative entropy of a PPM (w, 4) to the background."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(ppm > 0, ppm * np.log2(ppm / np.asarray(background)), 0.0)
    return terms.sum(axis=-1)


def composition(one_hot: np.ndarray) -> tuple[float, float, float, float]:
    """Return the background of sequences (N, l, 4): letter frequencies, equal for a letter and its complement."""
    counts = one_hot.reshape(-1, 4).sum(axis=0, dtype=np.float64) + 1.0
    both = counts + counts[::-1]
    return tuple((both / both.sum()).tolist())


def log_odds(ppm: np.ndarray, background: tuple[float, ...] = UNIFORM) -> np.ndarray:
    """Return (w, 4) bits, rounded to 1/100: log2 of each probability over the background, finite everywhere."""
    behind = np.asarray(background)
    smooth = (np.asarray(ppm, dtype=np.float64) + LEAST * behind) / (1.0 + LEAST)
    return np.round(np.log2(smooth / behind) * STEPS_A_BIT) / STEPS_A_BIT


def p_values(weights: np.ndarray, background: tuple[float, ...] = UNIFORM) -> tuple[int, np.ndarray]:
    """Return the chance of each score of a motif.

    Args:
        weights: (w, 4) bits in steps of 1/100 (`log_odds`).

    Returns:
        (lowest, table): table[i] is the chance of a score of at least (lowest + i) / 100 bits.
    """
    lowest, chances = _distribution(weights, np.broadcast_to(background, weights.shape))
    return lowest, np.minimum(np.cumsum(chances[::-1])[::-1], 1.0)


def own_quantile(weights: np.ndarray, ppm: np.ndarray, share: float) -> float:
    """Return the score in bits that all but `share` of the sites drawn from a PPM (w, 4) reach."""
    lowest, chances = _distribution(weights, ppm)
    return (lowest + int(np.searchsorted(np.cumsum(chances), share, side="right"))) / STEPS_A_BIT


def _distribution(weights: np.ndarray, letters: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the lowest score in steps, and the chance of each step from it on, for letters (w, 4) a column."""
    steps = np.rint(weights * STEPS_A_BIT).astype(np.int64)
    chances = np.ones(1)
    for column, shares in zip(steps, letters, strict=True):
        longer = np.zeros(len(chances) + int(np.ptp(column)))
        for step, share in zip(column - column.min(), shares, strict=True):
            longer[step : step + len(chances)] += share * chances
        chances = longer
    return int(steps.min(axis=1).sum()), chances


def hit_limit(ppm: np.ndarray, background: tuple[float, ...], largest_p: float) -> float:
    """Return the p-value up to which windows count as hits: `largest_p`, or that of the best window there can be.

    A motif of six columns cannot reach 1e-4: its best windows are its hits.
    """
    weights = log_odds(ppm, background)
    lowest, table = p_values(weights, background)
    best = int(np.rint(weights.max(axis=1) * STEPS_A_BIT).sum())
    return max(largest_p, float(table[best - lowest]))


def scan(one_hot: np.ndarray, ppm: np.ndarray, background: tuple[float, ...] = UNIFORM) -> Scan:
    """Score every window of sequences (N, l, 4) on both strands; l < w gives no windows."""
    weights = log_odds(ppm, background)
    windows = one_hot.shape[1] - len(weights) + 1
    if windows < 1:
        empty = np.zeros((len(one_hot), 0, 2))
        return Scan(empty, empty)
    lowest, table = p_values(weights, background)
    both = np.stack([weights, flipped(weights)], axis=-1)  # (w, 4, 2)
    scores = sum(one_hot[:, k : k + windows] @ both[k] for k in range(len(weights)))
    known = one_hot.sum(axis=-1) > 0
    whole = functools.reduce(np.logical_and, (known[:, k : k + windows] for k in range(len(weights))))
    at = np.rint(scores * STEPS_A_BIT).astype(np.int64) - lowest
    p = np.where(whole[..., None], table[np.clip(at, 0, len(table) - 1)], 1.0)
    return Scan(np.where(whole[..., None], scores, -np.inf), p)


def consensus(ppm: np.ndarray) -> str:
    """Return the most probable letter of each column of a PPM (w, 4)."""
    return "".join("ACGT"[i] for i in np.argmax(ppm, axis=1))
