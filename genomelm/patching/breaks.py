"""Forced starts of one contig: where a patch must start whatever the scores say, and the frame from there on.

Edges of coding sequence and of runs of N or letter case force starts. Each may also set the frame in
which patches of a fixed multiple of bytes begin, counted in coordinates, so that a window's own start
never matters.
"""

import functools
from dataclasses import dataclass

import numpy as np

KEEP = -1
"""The phase of a forced start that has no frame of its own: the frame that holds there goes on."""


@dataclass(frozen=True, eq=False)
class Breaks:
    """Forced starts of one contig.

    A phase p says: from this position on, patches of `multiple` bytes start at coordinates k with
    k % multiple == p. Before the first phase, 0 holds: the absolute coordinate.

    Args:
        positions: int64 (m,), 0-based, strictly increasing; the contig's length is allowed (the next patch).
        phases: int64 (m,), each >= 0 or KEEP.
    """

    positions: np.ndarray
    phases: np.ndarray

    def __post_init__(self) -> None:
        assert self.positions.dtype == self.phases.dtype == np.int64
        assert self.positions.shape == self.phases.shape
        assert (np.diff(self.positions) > 0).all()
        assert (self.positions[:1] >= 0).all()

    def __len__(self) -> int:
        return len(self.positions)

    @classmethod
    def none(cls) -> "Breaks":
        """Return no forced starts."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    @classmethod
    def unframed(cls, positions: np.ndarray) -> "Breaks":
        """Return forced starts at int64 (m,) sorted positions that keep the frame that holds there."""
        return cls(positions, np.full(len(positions), KEEP, np.int64))

    @classmethod
    def merged(cls, *breaks: "Breaks") -> "Breaks":
        """Return the union; at one position the phase of the last given that has one holds."""
        if not breaks:
            return cls.none()
        positions = np.concatenate([one.positions for one in breaks])
        phases = np.concatenate([one.phases for one in breaks])
        rank = np.repeat(np.arange(len(breaks)), [len(one) for one in breaks])
        order = np.lexsort((np.where(phases == KEEP, -1, rank), positions))  # the one that holds comes last
        positions, phases = positions[order], phases[order]
        last = np.append(positions[1:] != positions[:-1], True)[: len(positions)]
        return cls(positions[last], phases[last])

    @functools.cached_property
    def held(self) -> np.ndarray:
        """Phases int64 (m,) with every KEEP replaced by the phase that holds there, so all >= 0."""
        own = np.where(self.phases != KEEP, np.arange(1, len(self) + 1), 0)
        return np.concatenate([[0], self.phases])[np.maximum.accumulate(own)]

    def between(self, start: int, end: int) -> "Breaks":
        """Return the forced starts in [start, end), in contig coordinates, each with the phase that holds there."""
        first, last = np.searchsorted(self.positions, [start, end])
        return Breaks(self.positions[first:last], self.held[first:last])
