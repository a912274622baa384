"""Gradient attributions at the one-hot input, boundaries frozen to the reference's, and how they agree with ISM.

The gradient comes from a callable, d score / d one-hot, so that this file knows no model:
`gradient_of(x (l, 4) float32) -> (l, 4)`; x may lie between one-hot rows (integrated gradients need that).
"""

from collections.abc import Callable

import numpy as np
from scipy.stats import pearsonr, spearmanr

from genomelm.interpret.ism import importance

GradientOf = Callable[[np.ndarray], np.ndarray]


def off_simplex(gradient: np.ndarray) -> np.ndarray:
    """Subtract the mean over the bases from (..., l, 4): a one-hot row cannot move along (1,1,1,1).

    Source: Majdandzic et al. 2023, Genome Biology 24:109, equation 4.
    """
    return gradient - gradient.mean(axis=-1, keepdims=True)


def input_x_gradient(gradient_of: GradientOf, one_hot: np.ndarray) -> np.ndarray:
    """Return (l, 4): the corrected gradient at the bases present, 0 elsewhere. Positive: the base raises the score."""
    return off_simplex(np.asarray(gradient_of(one_hot), dtype=np.float64)) * one_hot


def baseline_of(one_hot: np.ndarray) -> np.ndarray:
    """Return equal parts of all letters, (..., l, 4); a row without a letter (N) stays without one."""
    return np.full_like(one_hot, 1.0 / one_hot.shape[-1]) * one_hot.any(-1, keepdims=True)


def integrated(gradient_of: GradientOf, one_hot: np.ndarray, steps: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Integrate the gradient from the uniform base mixture to the sequence (midpoint rule).

    Returns:
        (attribution (l, 4), baseline (l, 4)): the attribution's sum is score(one_hot) - score(baseline) when exact.

    Source: Sundararajan et al. 2017, ICML, equation 1.
    """
    baseline = baseline_of(one_hot)
    path = one_hot - baseline
    total = np.zeros(one_hot.shape, dtype=np.float64)
    for step in range(steps):
        total += np.asarray(gradient_of(baseline + path * ((step + 0.5) / steps)), dtype=np.float64)
    return path * total / steps, baseline


def completeness_error(attribution: np.ndarray, score: float, baseline_score: float) -> float:
    """Return |sum of attributions - (score - baseline score)| relative to |score - baseline score|."""
    difference = score - baseline_score
    return abs(float(attribution.sum()) - difference) / max(abs(difference), 1e-12)


def agreement(ism: np.ndarray, attribution: np.ndarray) -> dict:
    """Compare ISM (l, 4) with an input-x-gradient-like array (l, 4) at one locus.

    Returns:
        {"spearman": rank correlation of mean |effect| with |attribution|,
         "pearson_signed": correlation of the signed tracks}; None where a track is constant.
    """
    present = attribution.sum(axis=-1)
    signed = -ism.sum(axis=-1)
    return {
        "spearman": correlation(importance(ism), np.abs(present), spearmanr),
        "pearson_signed": correlation(signed, present, pearsonr),
    }


def correlation(x: np.ndarray, y: np.ndarray, method: Callable = spearmanr) -> float | None:
    """Return a correlation of two (l,) tracks, or None where either is constant or shorter than 3."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(method(x, y).statistic)
