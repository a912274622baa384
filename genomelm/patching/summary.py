"""What a segmentation looks like: mean, histogram of lengths, and how many starts the scores caused."""

import numpy as np

from genomelm.patching.parameters import SCORED
from genomelm.patching.rule import Rule

LONGEST = 256


class Tally:
    """Counts the patches of one record while its marks stream by."""

    def __init__(self, length: int, rule: Rule, forced: np.ndarray | None = None) -> None:
        """Begin a record of `length` bytes, cut by `rule`, with forced starts int64 (m,), anchors included."""
        self.length, self.rule = length, rule
        self.forced = np.zeros(0, np.int64) if forced is None else forced
        self.histogram = np.zeros(LONGEST + 1, np.int64)
        self.patches = self.caused = 0
        self._position, self._open = 0, None

    def add(self, codes: np.ndarray, marks: np.ndarray) -> None:
        """Count the next n positions: codes uint16 (n,), marks bool (n,). The one past the record is left out."""
        inside = min(len(marks), self.length - self._position)
        starts = np.flatnonzero(marks[:inside]) + self._position
        self.caused += int(self._by_scores(starts, codes).sum())
        self._position += len(marks)
        self.patches += len(starts)
        edges = starts if self._open is None else np.append(self._open, starts)
        if self._position > self.length:
            edges = np.append(edges, self.length)
        self.histogram += np.bincount(np.minimum(np.diff(edges), LONGEST), minlength=LONGEST + 1)
        self._open = edges[-1] if len(edges) else None

    def _by_scores(self, starts: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return for each start of this chunk whether its score caused it: no limit of length, no edge."""
        mode = self.rule.mode
        if mode not in SCORED:
            return np.zeros(len(starts), bool)
        caused = (starts > 0) & ~np.isin(starts, self.forced)
        if mode in ("entropy", "length_constrained", "optimal"):
            caused &= codes[starts - self._position] > self.rule.threshold
        elif mode == "greedy" and len(starts):
            before = np.diff(starts, prepend=0 if self._open is None else self._open)
            caused &= before < self.rule.max
        return caused

    def summary(self) -> dict:
        """Return bases, patches, mean, share of starts that scores caused, and {length: patches}."""
        return _summary(self.length, self.patches, self.caused, self.histogram)


def total(tallies: list[Tally]) -> dict:
    """Return the summary of several records as one."""
    histogram = np.sum([t.histogram for t in tallies], axis=0)
    return _summary(
        sum(t.length for t in tallies), sum(t.patches for t in tallies), sum(t.caused for t in tallies), histogram
    )


def _summary(bases: int, patches: int, caused: int, histogram: np.ndarray) -> dict:
    return {
        "bases": bases,
        "patches": patches,
        "mean": bases / patches if patches else None,
        "score_caused": caused / patches if patches else None,
        "lengths": {f"{n}+" if n == LONGEST else str(n): int(histogram[n]) for n in np.flatnonzero(histogram)},
    }
