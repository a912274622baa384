"""Metrics of many models on one set of variants, over the same resamples of clusters of variants and of seeds."""

from collections.abc import Callable, Sequence

import numpy as np

from genomelm.errors import InputError
from genomelm.tasks.metrics import RESAMPLES, Measure, resampled_auroc


def weighted_pearson(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> float:
    """Return Pearson's r of (n,) arrays whose entries count so often; 0 where one of them is constant."""
    total = counts.sum()
    if not total:
        return 0.0
    x, y = x - counts @ x / total, y - counts @ y / total
    spread = (counts @ x**2) * (counts @ y**2)
    return float(counts @ (x * y) / np.sqrt(spread)) if spread > 1e-24 else 0.0


def resampled_pearson(labels: np.ndarray, predictions: np.ndarray) -> Measure:
    """Return Pearson's r as a function of how often each entry was drawn."""
    return lambda counts: weighted_pearson(labels, predictions, counts)


def resampled_spearman(labels: np.ndarray, predictions: np.ndarray) -> Measure:
    """Return Spearman's r as a function of how often each entry was drawn; ties have their mean rank."""
    orders = [np.unique(values, return_inverse=True)[1] for values in (labels, predictions)]

    def ranks(order: np.ndarray, counts: np.ndarray) -> np.ndarray:
        drawn = np.bincount(order, counts)
        return (np.cumsum(drawn) - (drawn - 1) / 2)[order]

    return lambda counts: weighted_pearson(*(ranks(order, counts) for order in orders), counts)


def over_units(measure: Callable[[np.ndarray, np.ndarray], Measure], units: np.ndarray) -> Callable:
    """Return a metric that is the mean of another one over units (n,)."""
    rows = [np.flatnonzero(units == unit) for unit in np.unique(units)]

    def of(labels: np.ndarray, predictions: np.ndarray) -> Measure:
        parts = [measure(labels[part], predictions[part]) for part in rows]
        return lambda counts: float(
            np.mean([one(counts[part]) for one, part in zip(parts, rows, strict=True) if counts[part].any()])
        )

    return of


def metric_of(name: str, harmful: np.ndarray | None, units: np.ndarray) -> Callable:
    """Return a metric of (labels, predictions), both the less the more harmful, as a function of counts.

    Args:
        name: auroc (of telling `harmful` apart), pearson, spearman, mean_pearson or mean_spearman.
        harmful: bool (n,).
        units: (n,), what a mean is over.
    """
    if name == "auroc":
        return lambda labels, predictions: resampled_auroc(harmful.astype(np.int64), -predictions)
    measure = resampled_pearson if name.endswith("pearson") else resampled_spearman
    return over_units(measure, units) if name.startswith("mean") else measure


def resampled(
    metric: Callable[[np.ndarray, np.ndarray], Measure],
    labels: np.ndarray,
    clusters: np.ndarray,
    models: Sequence[np.ndarray],
) -> list[np.ndarray]:
    """Return each model's metric over the same resamples, the whole set first: (1 + resamples,) each.

    A resample draws clusters with replacement, and a model's seeds: models with as many seeds have the same ones.
    Draws in which a metric has no value are drawn again.

    Args:
        labels: (n,).
        clusters: int64 (n,); entries of one number are drawn together.
        models: predictions (seeds, n) each.
    """
    generator = np.random.default_rng(20260105)
    which = np.unique(clusters, return_inverse=True)[1]
    total = which.max() + 1
    measures = [[metric(labels, run) for run in runs] for runs in models]
    most = max(map(len, models))
    found: list[list[float]] = [[] for _ in models]
    counts, drawn = np.ones(len(labels), np.int64), None
    while len(found[0]) <= RESAMPLES:
        values = [_mean(runs, counts, drawn) for runs in measures]
        if not np.isnan(values).any():
            for row, value in zip(found, values, strict=True):
                row.append(value)
        elif drawn is None:
            raise InputError(
                "a metric has no value on the test: it holds one class of variants only; hold other units out"
            )
        counts = np.bincount(generator.integers(0, total, total), minlength=total)[which]
        drawn = generator.random(most)
    return [np.array(row) for row in found]


def _mean(runs: Sequence[Measure], counts: np.ndarray, drawn: np.ndarray | None) -> float:
    """Return the mean over the runs of a model, or over those that `drawn`, (seeds,) in [0, 1), stands for."""
    seeds = np.arange(len(runs)) if drawn is None else (drawn[: len(runs)] * len(runs)).astype(int)
    each = {seed: runs[seed](counts) for seed in set(seeds.tolist())}
    return float(np.mean([each[seed] for seed in seeds.tolist()]))
