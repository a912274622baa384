"""Variant effects as pure functions of log-probabilities or predictions, in float64."""

import numpy as np


def log_likelihood(per_position: np.ndarray, counted: np.ndarray | None = None) -> np.ndarray:
    """Sum log-probabilities over positions in float64.

    Args:
        per_position: (..., l) in nats.
        counted: bool (..., l); padding and side information are False, and what stands there is never read.

    Returns:
        float64 (...), nats.
    """
    values = np.asarray(per_position, np.float64)
    return (values if counted is None else np.where(counted, values, 0.0)).sum(axis=-1)


def log_likelihood_ratio(
    ref: np.ndarray, alt: np.ndarray, ref_counted: np.ndarray | None = None, alt_counted: np.ndarray | None = None
) -> np.ndarray:
    """Return log p(alt) - log p(ref): positive where the model finds the alternative window more likely.

    Exchanging ref and alt changes the sign and nothing else; equal windows give exactly 0. Where an indel makes the
    lengths differ, the longer window is cut at its far end: the likelihoods of unequally many bases would differ
    by about ln 4 a base for that reason alone.

    Args:
        ref, alt: log-probabilities (..., l) and (..., l') in nats, as causal models give them, from one first base.
        ref_counted, alt_counted: bool masks of the same shapes.

    Returns:
        float64 (...), nats.
    """
    same = min(np.shape(ref)[-1], np.shape(alt)[-1])
    ref, alt = np.asarray(ref)[..., :same], np.asarray(alt)[..., :same]
    counted = [None if mask is None else mask[..., :same] for mask in (ref_counted, alt_counted)]
    return log_likelihood(alt, counted[1]) - log_likelihood(ref, counted[0])


def difference(ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
    """Return prediction(alt) - prediction(ref) of a task head, float64, in the head's unit."""
    return np.asarray(alt, np.float64) - np.asarray(ref, np.float64)


def strand_average(forward: np.ndarray, reverse: np.ndarray) -> np.ndarray:
    """Return the mean of the effects seen on the two strands, float64."""
    return (np.asarray(forward, np.float64) + np.asarray(reverse, np.float64)) / 2
