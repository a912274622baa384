"""What a segmentation looks like: mean, histogram of lengths, and how many starts the scores caused."""

import numpy as np

from genomelm.patching.parameters import SCORED
from genomelm.patching.rule import Rule

LONGEST = 256


class Tally:
    """Counts the patches of one record while its marks stream by."""

    def __init__(self, length: int, rule: Rule, forced: np.ndarray | None = None) -> None:
        """Begin a record of `length` bytes, cut by `rule`, with forced starts int64 (m,), anchors included."""
        self.length, self.rule, self.bases = length, rule, 0
        self.forced = np.zeros(0, np.int64) if forced is None else forced
        self.histogram = np.zeros(LONGEST + 1, np.int64)
        self.patches = self.caused = 0
        self._position, self._open, self._open_counts = 0, None, False

    def add(self, codes: np.ndarray, marks: np.ndarray, counted: np.ndarray | None = None) -> None:
        """Count the next n positions: codes uint16 (n,), marks bool (n,). The one past the record is left out.

        Of bool `counted` (n,), where given, bases that are false do not count, nor do the patches that start there.
        """
        inside = min(len(marks), self.length - self._position)
        starts = np.flatnonzero(marks[:inside]) + self._position
        counts = np.ones(len(starts), bool) if counted is None else counted[starts - self._position]
        self.bases += inside if counted is None else int(np.count_nonzero(counted[:inside]))
        self.caused += int((self._by_scores(starts, codes) & counts).sum())
        self._position += len(marks)
        self.patches += int(counts.sum())
        edges = starts
        if self._open is not None:
            edges, counts = np.append(self._open, starts), np.append(self._open_counts, counts)
        if len(edges):
            self._open, self._open_counts = edges[-1], counts[-1]
        if self._position > self.length:
            edges = np.append(edges, self.length)
        lengths = np.diff(edges)
        self.histogram += np.bincount(np.minimum(lengths[counts[: len(lengths)]], LONGEST), minlength=LONGEST + 1)

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
        return _summary(self.bases, self.patches, self.caused, self.histogram)


def total(tallies: list[Tally]) -> dict:
    """Return the summary of several records as one."""
    histogram = np.sum([t.histogram for t in tallies], axis=0)
    return _summary(
        sum(t.bases for t in tallies), sum(t.patches for t in tallies), sum(t.caused for t in tallies), histogram
    )


def _summary(bases: int, patches: int, caused: int, histogram: np.ndarray) -> dict:
    return {
        "bases": bases,
        "patches": patches,
        "mean": bases / patches if patches else None,
        "score_caused": caused / patches if patches else None,
        "lengths": {f"{n}+" if n == LONGEST else str(n): int(histogram[n]) for n in np.flatnonzero(histogram)},
    }
