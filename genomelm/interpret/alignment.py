"""Laying seqlets and motifs over each other: every offset, both strands.

An alignment (offset o, flip) of a query with a target puts the query's column i, after turning it round when flip is
1, over the target's column i + o.
"""

import numpy as np

from genomelm.interpret.pwm import flipped

FLAT = 0.25


def similarities(queries: np.ndarray, targets: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the best cosine of every query with every target over offsets and strands.

    Args:
        queries: (q, w, 4). targets: (t, w, 4), of the same width.
        reach: offsets from -reach to reach are tried; columns that overhang meet zeros.

    Returns:
        cosine (q, t) float32 (of the whole matrices: what overhangs counts as unlike), offset (q, t) and flip (q, t)
        of the best alignment; of equal ones the first in the order forward before flipped, offsets ascending.
    """
    width = queries.shape[1]
    there = _normed(targets).reshape(len(targets), -1)
    best = np.full((len(queries), len(targets)), -np.inf, np.float32)
    offset, flip = np.zeros(best.shape, np.int16), np.zeros(best.shape, np.int8)
    for turned, source in enumerate((_normed(queries), flipped(_normed(queries)))):
        padded = np.pad(source, ((0, 0), (reach, reach), (0, 0)))
        for o in range(-reach, reach + 1):
            moved = padded[:, reach - o : reach - o + width].reshape(len(queries), -1)
            found = moved @ there.T
            better = found > best + 1e-6
            best[better], offset[better], flip[better] = found[better], o, turned
    return best, offset, flip


def _normed(x: np.ndarray) -> np.ndarray:
    size = np.sqrt((x * x).sum(axis=(1, 2), keepdims=True))
    return (x / np.maximum(size, 1e-12)).astype(np.float32)


def best_pearson(found: np.ndarray, truth: np.ndarray, outside: float = FLAT) -> tuple[float, int, int]:
    """Return how well a motif (w, 4) reproduces another (v, 4): the best aligned Pearson on either strand.

    The correlation is over the v * 4 numbers of the truth; where the found motif does not reach, it stands at
    `outside`: 0.25 for PPMs, 0 for contributions.

    Returns:
        (pearson, offset, flip): see the module for offset and flip, with the found motif as query.
    """
    v, w = len(truth), len(found)
    target = truth.reshape(-1) - truth.mean()
    best = (-1.0, 0, 0)
    for turned, matrix in enumerate((found, flipped(found))):
        padded = np.pad(matrix, ((v, v), (0, 0)), constant_values=outside)
        for o in range(1 - w, v):
            part = padded[v - o : 2 * v - o].reshape(-1)
            part = part - part.mean()
            size = np.sqrt((part @ part) * (target @ target))
            value = float(part @ target / size) if size > 0 else 0.0
            if value > best[0] + 1e-9:
                best = (value, o, turned)
    return best
