"""Differences of two models on the same held-out things, with intervals over things and seeds."""

import numpy as np

from genomelm.tasks.metrics import RESAMPLES, interval, resampled_auroc


def paired(ours: list[list[float]], theirs: list[list[float]], counts: list[float]) -> dict[str, float]:
    """Return the mean difference of ratios, such as bits per base, both windows and seeds drawn again.

    Args:
        ours, theirs: totals of each window, such as bits, (seeds, n) both, alike in seeds and windows.
        counts: what they are counted over, such as bases, (n,).
    """
    difference, bases = np.array(ours) - np.array(theirs), np.array(counts, float)  # (s, n)
    generator = np.random.default_rng(20260103)
    windows = generator.integers(0, len(bases), (RESAMPLES, len(bases)))
    seeds = generator.integers(0, len(difference), (RESAMPLES, len(difference)))
    by_seed = difference[:, windows].sum(-1) / bases[windows].sum(-1)  # (s, resamples)
    means = by_seed[seeds, np.arange(RESAMPLES)[:, None]].mean(1)
    return interval(means, difference.sum() / (bases.sum() * len(difference)))


def paired_auroc(labels: np.ndarray, runs: list[np.ndarray]) -> list[np.ndarray]:
    """Return each model's AUROC over the same resamples, the whole set first: (1 + resamples,) each.

    A resample draws examples with replacement, and a model's seeds: the same ones of all models.

    Args:
        labels: (n, k) 0 or 1, of examples with k labels each.
        runs: of each model, scores (seeds, n, k), alike in seeds.
    """
    generator = np.random.default_rng(20260104)
    n, k = labels.shape
    seeds = len(runs[0])
    measures = [[resampled_auroc(labels.ravel(), scores.ravel()) for scores in run] for run in runs]
    draws = [(np.ones(n, np.int64), np.arange(seeds))]
    while len(draws) <= RESAMPLES:
        counts = np.bincount(generator.integers(0, n, n), minlength=n)
        if np.ptp(np.repeat(labels, counts, 0)) > 0:
            draws.append((counts, generator.integers(0, seeds, seeds)))
    return [
        np.array([np.mean([run[s](np.repeat(counts, k)) for s in drawn]) for counts, drawn in draws])
        for run in measures
    ]
