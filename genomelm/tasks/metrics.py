"""Metrics of held-out predictions, with bootstrap intervals over examples and seeds."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score

RESAMPLES = 1000


def pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return Pearson's r of two (n,) arrays; 0 where one of them is constant, which tells nothing."""
    if np.ptp(labels) == 0 or np.ptp(predictions) == 0:
        return 0.0
    return float(np.corrcoef(labels, predictions)[0, 1])


def resampled_auroc(labels: np.ndarray, predictions: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return the AUROC as a function of how often each of the n entries was drawn, (n,) int64.

    It sorts once: the area is the share of ordered pairs, equal predictions counted half.
    """
    ranks = np.unique(predictions, return_inverse=True)[1]
    positive = labels == 1

    def measure(counts: np.ndarray) -> float:
        positives, negatives = np.bincount(ranks, counts * positive), np.bincount(ranks, counts * ~positive)
        below = np.cumsum(negatives) - negatives / 2
        return float(positives @ below / (positives.sum() * negatives.sum()))

    return measure


def resampled_pearson(labels: np.ndarray, predictions: np.ndarray) -> Callable[[np.ndarray], float]:
    """Return Pearson's r as a function of how often each of the n entries was drawn, (n,) int64."""
    return lambda counts: pearson(np.repeat(labels, counts), np.repeat(predictions, counts))


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "auroc": lambda labels, predictions: float(roc_auc_score(labels, predictions)),
    "pearson": pearson,
}
RESAMPLED = {"auroc": resampled_auroc, "pearson": resampled_pearson}
"""The same metrics of entries that are drawn again and again."""


def interval(values: np.ndarray, point: float) -> dict[str, float]:
    """Return a point with the 2.5 and 97.5 percentiles of its resamples."""
    low, high = np.quantile(values, [0.025, 0.975])
    return {"value": float(point), "low": float(low), "high": float(high)}


def compare(metric: str, labels: np.ndarray, runs: np.ndarray, baselines: dict[str, np.ndarray]) -> dict:
    """Bootstrap a model's runs beside its baselines, on the same resamples.

    Args:
        metric: a key of METRICS.
        labels: (n,), or (n, k) of examples with k labels each; the metric reads all n k of them.
        runs: predictions (seeds, n) or (seeds, n, k).
        baselines: name -> predictions (n,) or (n, k).

    Returns:
        "model" (the mean over seeds), "seeds" (one value each), "baselines", and "differences"
        (model minus baseline, paired by resample), each {"value", "low", "high"}. A resample draws
        test examples and seeds with replacement.
    """
    generator = np.random.default_rng(20260101)
    repeats = labels[0].size
    seeds = [METRICS[metric](labels.ravel(), run.ravel()) for run in runs]
    points = {name: METRICS[metric](labels.ravel(), predicted.ravel()) for name, predicted in baselines.items()}
    run_measures = [RESAMPLED[metric](labels.ravel(), run.ravel()) for run in runs]
    measures = {name: RESAMPLED[metric](labels.ravel(), predicted.ravel()) for name, predicted in baselines.items()}
    model, other = [], {name: [] for name in baselines}
    while len(model) < RESAMPLES:
        rows = generator.integers(0, len(labels), len(labels))
        if np.ptp(labels[rows]) == 0:
            continue
        counts = np.repeat(np.bincount(rows, minlength=len(labels)), repeats)
        drawn = generator.integers(0, len(runs), len(runs))
        values = {i: run_measures[i](counts) for i in set(drawn.tolist())}
        model.append(np.mean([values[i] for i in drawn]))
        for name, measure in measures.items():
            other[name].append(measure(counts))
    point = float(np.mean(seeds))
    return {
        "model": interval(np.array(model), point),
        "seeds": [float(seed) for seed in seeds],
        "baselines": {name: interval(np.array(other[name]), points[name]) for name in baselines},
        "differences": {
            name: interval(np.array(model) - np.array(other[name]), point - points[name]) for name in baselines
        },
    }


def bootstrap_ratio(totals: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """Return sum(totals) / sum(counts) with an interval over the (n,) windows that they come from."""
    generator = np.random.default_rng(20260102)
    rows = generator.integers(0, len(totals), (RESAMPLES, len(totals)))
    return interval(totals[rows].sum(1) / counts[rows].sum(1), totals.sum() / counts.sum())
