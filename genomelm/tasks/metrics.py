"""Metrics of held-out predictions, with bootstrap intervals over examples and seeds."""

from collections.abc import Callable

import numpy as np
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

RESAMPLES = 1000

Measure = Callable[[np.ndarray], float]
"""How often each entry was drawn, int64 (n,) -> the metric of what was drawn; NaN where it has none."""


def pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return Pearson's r of two (n,) arrays; 0 where one of them is constant, which tells nothing.

    Entries whose label is NaN are left out.
    """
    known = ~np.isnan(labels)
    if not known.all():
        labels, predictions = labels[known], predictions[known]
    if not len(labels) or np.ptp(labels) == 0 or np.ptp(predictions) == 0:
        return 0.0
    return float(np.corrcoef(labels, predictions)[0, 1])


def resampled_auroc(labels: np.ndarray, predictions: np.ndarray) -> Measure:
    """Return the AUROC as a function of how often each of the n entries was drawn, (n,) int64.

    It sorts once: the area is the share of ordered pairs, equal predictions counted half.
    """
    ranks = np.unique(predictions, return_inverse=True)[1]
    positive = labels == 1

    def measure(counts: np.ndarray) -> float:
        positives, negatives = np.bincount(ranks, counts * positive), np.bincount(ranks, counts * ~positive)
        if not positives.any() or not negatives.any():
            return float("nan")
        below = np.cumsum(negatives) - negatives / 2
        return float(positives @ below / (positives.sum() * negatives.sum()))

    return measure


def resampled_macro_auroc(labels: np.ndarray, predictions: np.ndarray) -> Measure:
    """Return the mean AUROC of the classes, each against all others; classes that were not drawn are left out.

    Args:
        labels: class numbers (n,), or (n, k) of 0 and 1 of k labels beside each other.
        predictions: logits (n, k).
    """
    if labels.ndim == 1:
        chances = softmax(predictions, -1)
        measures = [resampled_auroc(labels == k, chances[:, k]) for k in range(predictions.shape[1])]
    else:
        measures = [resampled_auroc(labels[:, k], predictions[:, k]) for k in range(predictions.shape[1])]

    def measure(counts: np.ndarray) -> float:
        found = np.array([one(counts) for one in measures])
        return float(found[~np.isnan(found)].mean()) if (~np.isnan(found)).any() else float("nan")

    return measure


def resampled_pearson(labels: np.ndarray, predictions: np.ndarray) -> Measure:
    """Return Pearson's r as a function of how often each of the n entries was drawn, (n,) int64."""
    return lambda counts: pearson(np.repeat(labels, counts), np.repeat(predictions, counts))


def resampled_mean_pearson(labels: np.ndarray, predictions: np.ndarray) -> Measure:
    """Return the mean of Pearson's r over the columns of labels and predictions (n, k)."""
    measures = [resampled_pearson(*columns) for columns in zip(labels.T, predictions.T, strict=True)]
    return lambda counts: float(np.mean([measure(counts) for measure in measures]))


def chosen_classes(predictions: np.ndarray, several: bool) -> np.ndarray:
    """Return the class of each entry: the largest of `several` logits (n, k), else whether a logit (n,) is above 0."""
    return predictions.argmax(-1) if several else (predictions > 0).astype(np.int64)


def resampled_accuracy(labels: np.ndarray, predictions: np.ndarray) -> Measure:
    """Return the share of entries whose class is right; labels (n,), logits (n,) or (n, classes)."""
    right = chosen_classes(predictions, predictions.ndim > 1) == labels
    return lambda counts: float(counts @ right / counts.sum())


def resampled_mcc(labels: np.ndarray, predictions: np.ndarray) -> Measure:
    """Return Matthews' correlation, for several classes as Gorodkin 2004 has it; 0 where it has no denominator."""
    chosen, truth = chosen_classes(predictions, predictions.ndim > 1), labels.astype(np.int64)
    classes = max(2, predictions.shape[-1] if predictions.ndim > 1 else 2)

    def measure(counts: np.ndarray) -> float:
        table = np.bincount(truth * classes + chosen, counts, classes * classes).reshape(classes, classes)
        total, rows, columns = table.sum(), table.sum(1), table.sum(0)
        spread = np.sqrt((total**2 - rows @ rows) * (total**2 - columns @ columns))
        return float((np.trace(table) * total - rows @ columns) / spread) if spread else 0.0

    return measure


RESAMPLED: dict[str, Callable[[np.ndarray, np.ndarray], Measure]] = {
    "auroc": resampled_auroc,
    "macro_auroc": resampled_macro_auroc,
    "accuracy": resampled_accuracy,
    "mcc": resampled_mcc,
    "pearson": resampled_pearson,
    "mean_pearson": resampled_mean_pearson,
}
"""Metrics of entries that are drawn again and again."""


def once(metric: str) -> Callable[[np.ndarray, np.ndarray], float]:
    """Return a metric of labels and predictions, each entry drawn once."""
    return lambda labels, predictions: RESAMPLED[metric](labels, predictions)(np.ones(len(labels), np.int64))


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    **{metric: once(metric) for metric in RESAMPLED},
    "auroc": lambda labels, predictions: float(roc_auc_score(labels, predictions)),
    "pearson": pearson,
}
"""The same metrics of all entries."""


def entries(metric: str, labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and predictions as a metric reads them: an entry a label, or a row where it reads columns.

    Args:
        labels: (n,), or (n, k) of examples with k labels each.
        predictions: of the same shape, or with an axis of classes behind it.
    """
    if metric == "mean_pearson" or (metric == "macro_auroc" and predictions.ndim == labels.ndim):
        return labels, predictions
    return labels.ravel(), predictions.reshape(labels.size, *predictions.shape[labels.ndim :])


def measured(metric: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return a metric of labels (n,) or (n, k) and predictions, as `entries` takes them."""
    return METRICS[metric](*entries(metric, labels, predictions))


def interval(values: np.ndarray, point: float) -> dict[str, float]:
    """Return a point with the 2.5 and 97.5 percentiles of its resamples."""
    low, high = np.quantile(values, [0.025, 0.975])
    return {"value": float(point), "low": float(low), "high": float(high)}


def compare(metric: str, labels: np.ndarray, runs: np.ndarray, baselines: dict[str, np.ndarray]) -> dict:
    """Bootstrap a model's runs beside its baselines, on the same resamples.

    Args:
        metric: a key of METRICS.
        labels: (n,), or (n, k) of examples with k labels each; the metric reads all n k of them.
        runs: predictions (seeds, n) or (seeds, n, k), with an axis of classes behind it where there are several.
        baselines: name -> predictions, as those of one run.

    Returns:
        "model" (the mean over seeds), "seeds" (one value each), "baselines", and "differences"
        (model minus baseline, paired by resample), each {"value", "low", "high"}. A resample draws
        test examples and seeds with replacement.
    """
    generator = np.random.default_rng(20260101)
    read = [entries(metric, labels, run) for run in runs]
    others = {name: entries(metric, labels, predicted) for name, predicted in baselines.items()}
    repeats = len(read[0][0]) // len(labels)
    seeds = [METRICS[metric](*pair) for pair in read]
    points = {name: METRICS[metric](*pair) for name, pair in others.items()}
    run_measures = [RESAMPLED[metric](*pair) for pair in read]
    measures = {name: RESAMPLED[metric](*pair) for name, pair in others.items()}
    model, other = [], {name: [] for name in baselines}
    while len(model) < RESAMPLES:
        rows = generator.integers(0, len(labels), len(labels))
        if np.ptp(labels[rows]) == 0:
            continue
        counts = np.repeat(np.bincount(rows, minlength=len(labels)), repeats)
        drawn = generator.integers(0, len(runs), len(runs))
        values = {i: run_measures[i](counts) for i in set(drawn.tolist())}
        if np.isnan(list(values.values())).any():  # no label of several has both of its values
            continue
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
