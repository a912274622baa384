"""From a language model's logits to the next letter: the controls of sampling, as pure functions."""

import math
from dataclasses import dataclass

import numpy as np

from genomelm.errors import NumericalError, UsageError
from genomelm.settings import setting


@dataclass(frozen=True)
class Sampling:
    """How the next letter is chosen. The defaults draw from the model's own distribution."""

    temperature: float = setting(1.0, "logits are divided by it; 0: always the most probable letter", minimum=0)
    top_k: int = setting(0, "draw from so many of the most probable letters only; 0: all", minimum=0)
    top_p: float = setting(
        1.0, "draw from the fewest most probable letters whose probabilities reach this sum", minimum=0, maximum=1
    )
    repeat_penalty: float = setting(
        0.0, "nats off a letter that would repeat a k-mer of the sequence so far (against tandem loops)", minimum=0
    )
    repeat_k: int = setting(12, "k of these k-mers", minimum=1)

    def __post_init__(self) -> None:
        for name, least, most in (
            *(("temperature", 0, math.inf), ("top_k", 0, math.inf), ("top_p", 0, 1)),
            *(("repeat_penalty", 0, math.inf), ("repeat_k", 1, math.inf)),
        ):
            value = getattr(self, name)
            if not (math.isfinite(value) and least <= value <= most):
                end = "" if most == math.inf else f" and at most {most}"
                raise UsageError(f"{name} is {value}: give a finite number of at least {least}{end}")


def probabilities(logits: np.ndarray, sampling: Sampling, repeats: np.ndarray | None = None) -> np.ndarray:
    """Return the distribution that the next letter is drawn from.

    Args:
        logits: (n, a), nats, of the alphabet's letters.
        sampling: penalties come first, then temperature, then top_k, then top_p, each on what the one before left.
        repeats: bool (n, a), letters that would repeat a k-mer.

    Returns:
        float64 (n, a), rows of sum 1. Of equal logits the first letter counts as the more probable one.

    Raises:
        NumericalError: a logit is NaN or infinite.
    """
    x = np.asarray(logits, np.float64)
    if not np.isfinite(x).all():
        raise NumericalError("the model's logits are not finite: its weights may be damaged, or trained to overflow")
    if repeats is not None:
        x = x - sampling.repeat_penalty * repeats
    if sampling.temperature == 0:
        return np.eye(x.shape[1])[x.argmax(1)]
    x = (x - x.max(1, keepdims=True)) / sampling.temperature
    p = np.exp(x)
    p /= p.sum(1, keepdims=True)
    if not (0 < sampling.top_k < p.shape[1] or sampling.top_p < 1):
        return p
    order = np.argsort(-p, axis=1, kind="stable")
    ranked = np.take_along_axis(p, order, 1)
    if sampling.top_k:
        ranked[:, sampling.top_k :] = 0
        ranked /= ranked.sum(1, keepdims=True)
    before = np.cumsum(ranked, 1) - ranked
    ranked[(before >= sampling.top_p) & (np.arange(p.shape[1]) > 0)] = 0
    np.put_along_axis(p, order, ranked / ranked.sum(1, keepdims=True), 1)
    return p


def draw(p: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Draw a letter of each row: the first whose cumulative probability is above the row's uniform number.

    Args:
        p: float64 (n, a), rows of sum 1.
        uniform: float64 (n,), in [0, 1).

    Returns:
        int64 (n,), never a letter of probability 0.
    """
    total = p.cumsum(1)
    return (total <= uniform[:, None] * total[:, -1:]).sum(1)  # u < 1 times the sum rounds below the sum


class SeenKmers:
    """The k-mers of one sequence, by which letters that would repeat one are known; memory grows with them.

    Args:
        k: their size.
        letters: number of letters a.
    """

    def __init__(self, k: int, letters: int) -> None:
        self.k, self.letters = k, letters
        self._seen: set[int] = set()
        self._code, self._known = 0, 0  # of the last k - 1 letters; how many of them are known

    def add(self, letter: int) -> None:
        """Take the next letter, 0 to a - 1; any other number is an unknown one, which no k-mer holds."""
        if not 0 <= letter < self.letters:
            self._code, self._known = 0, 0
            return
        whole = self._code * self.letters + letter
        if self._known == self.k - 1:
            self._seen.add(whole)
        self._code, self._known = whole % self.letters ** (self.k - 1), min(self._known + 1, self.k - 1)

    def repeats(self) -> np.ndarray:
        """Return which letters, coming next, would repeat a k-mer: bool (a,)."""
        first = self._code * self.letters
        known = self._known == self.k - 1
        return np.array([known and first + letter in self._seen for letter in range(self.letters)])

    def fork(self) -> "SeenKmers":
        """Return a copy that may go on with other letters."""
        other = SeenKmers(self.k, self.letters)
        other._seen, other._code, other._known = set(self._seen), self._code, self._known
        return other
