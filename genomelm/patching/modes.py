"""Segmentation modes: which bytes start a patch, given a score for each.

g[k] is the score for starting a patch at byte k, known from the bytes before k. A mode marks
positions in one pass and carries one number from chunk to chunk: how many bytes the open
patch has. That is why any chunking gives the same starts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit

from genomelm.errors import NumericalError


@dataclass(frozen=True)
class Rule:
    """A mode and its parameters, in the units of the scores that it is applied to (codes or nats)."""

    mode: str
    threshold: float = 0
    stride: int = 1
    min: int = 1
    max: int = 1
    multiple: int = 1


def mark(g: np.ndarray, rule: Rule, since: int = 0) -> tuple[np.ndarray, int]:
    """Mark the positions that start a patch.

    Args:
        g: (n,) scores of n consecutive positions, of any ordered dtype; modes without scores use only its length.
        rule: the mode; its threshold in the units of `g`.
        since: bytes of the open patch before position 0; with 0 a patch starts there (a record's first byte).

    Returns:
        bool (n,), and the bytes of the patch that is open after the last position.
    """
    if len(g) == 0:
        return np.zeros(0, bool), since
    marks = MODES[rule.mode](g, rule, since)
    last = int(marks[::-1].argmax())
    return marks, (last + 1 if marks[len(g) - 1 - last] else since + len(g))


def segment(g: np.ndarray, rule: Rule) -> np.ndarray:
    """Return the starts int64 (p,) of one record of l bytes from its scores g (l,); g[0] is not read.

    Raises:
        NumericalError: a score is NaN.
    """
    if g.dtype.kind == "f" and np.isnan(g[1:]).any():
        raise NumericalError(
            f"score {int(np.isnan(g[1:]).argmax()) + 1} is NaN: fill missing scores in before patching"
        )
    return np.flatnonzero(mark(g, rule)[0])


def _entropy(g: np.ndarray, rule: Rule, since: int) -> np.ndarray:
    """k starts iff g[k] > t."""
    marks = g > rule.threshold
    marks[0] |= since == 0
    return marks


def _fixed_stride(g: np.ndarray, rule: Rule, since: int) -> np.ndarray:
    marks = np.zeros(len(g), bool)
    marks[-since % rule.stride :: rule.stride] = True
    return marks


def _byte(g: np.ndarray, rule: Rule, since: int) -> np.ndarray:
    return np.ones(len(g), bool)


def _length_constrained(g: np.ndarray, rule: Rule, since: int) -> np.ndarray:
    marks = np.empty(len(g), np.bool_)
    _limit_lengths(g, rule.threshold, rule.min, rule.max, rule.multiple, since, marks)
    return marks


@njit(cache=True, nogil=True)
def _limit_lengths(g, threshold, least, most, multiple, since, marks):  # pragma: no cover
    """k starts iff (g[k] > t and n >= min and n % multiple == 0) or n >= max, n the bytes of the open patch."""
    n = since
    for k in range(g.shape[0]):
        starts = n == 0 or n >= most or (g[k] > threshold and n >= least and n % multiple == 0)
        marks[k] = starts
        n = 1 if starts else n + 1


MODES: dict[str, Callable[[np.ndarray, Rule, int], np.ndarray]] = {
    "entropy": _entropy,
    "length_constrained": _length_constrained,
    "fixed_stride": _fixed_stride,
    "byte": _byte,
}
