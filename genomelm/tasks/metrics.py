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


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "auroc": lambda labels, predictions: float(roc_auc_score(labels, predictions)),
    "pearson": pearson,
}


def interval(values: np.ndarray, point: float) -> dict[str, float]:
    """Return a point with the 2.5 and 97.5 percentiles of its resamples."""
    low, high = np.quantile(values, [0.025, 0.975])
    return {"value": float(point), "low": float(low), "high": float(high)}


def compare(metric: str, labels: np.ndarray, runs: np.ndarray, baselines: dict[str, np.ndarray]) -> dict:
    """Bootstrap a model's runs beside its baselines, on the same resamples.

    Args:
        metric: a key of METRICS.
        labels: (n,).
        runs: predictions (seeds, n).
        baselines: name -> predictions (n,).

    Returns:
        "model" (the mean over seeds), "seeds" (one value each), "baselines", and "differences"
        (model minus baseline, paired by resample), each {"value", "low", "high"}. A resample draws
        test examples and seeds with replacement.
    """
    measure = METRICS[metric]
    generator = np.random.default_rng(20260101)
    seeds = [measure(labels, run) for run in runs]
    points = {name: measure(labels, predicted) for name, predicted in baselines.items()}
    model, other = [], {name: [] for name in baselines}
    while len(model) < RESAMPLES:
        rows = generator.integers(0, len(labels), len(labels))
        if len(np.unique(labels[rows])) < 2:
            continue
        drawn = generator.integers(0, len(runs), len(runs))
        values = {i: measure(labels[rows], runs[i][rows]) for i in set(drawn.tolist())}
        model.append(np.mean([values[i] for i in drawn]))
        for name, predicted in baselines.items():
            other[name].append(measure(labels[rows], predicted[rows]))
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
