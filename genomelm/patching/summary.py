"""What a segmentation looks like: mean, histogram of lengths, and how many starts the scores caused."""

import numpy as np

LONGEST = 256


class Tally:
    """Counts the patches of one record while its marks stream by."""

    def __init__(self, length: int, threshold: float | None) -> None:
        """Begin a record of `length` bytes; `threshold` is in codes, None where no scores decide."""
        self.length, self.threshold = length, threshold
        self.histogram = np.zeros(LONGEST + 1, np.int64)
        self.patches = self.caused = 0
        self._position, self._open = 0, None

    def add(self, codes: np.ndarray, marks: np.ndarray) -> None:
        """Count the next n positions: codes uint16 (n,), marks bool (n,). The one past the record is left out."""
        inside = min(len(marks), self.length - self._position)
        starts = np.flatnonzero(marks[:inside]) + self._position
        if self.threshold is not None:
            caused = marks[:inside] & (codes[:inside] > self.threshold)
            self.caused += int(caused.sum()) - int(self._position == 0 and inside > 0 and caused[0])
        self._position += len(marks)
        self.patches += len(starts)
        edges = starts if self._open is None else np.append(self._open, starts)
        if self._position > self.length:
            edges = np.append(edges, self.length)
        self.histogram += np.bincount(np.minimum(np.diff(edges), LONGEST), minlength=LONGEST + 1)
        self._open = edges[-1] if len(edges) else None

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
