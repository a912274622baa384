"""The patcher byte by byte: the same starts as of the whole record, as it grows."""

import copy

import numpy as np

from genomelm.errors import UsageError
from genomelm.patching.modes import NO_EDGES, START, Edges, mark
from genomelm.patching.patcher import Patcher
from genomelm.patching.runs import revealed


class Follower:
    """Cuts one record that grows at its end, in memory that does not grow with it.

    Whatever the pieces, the marks are those of `Patcher.marks` on all bytes so far. (A neural source computes in
    floats, whose last bits depend on the shape of a pass: a score that lies that near to the middle of two codes
    may fall on either.)

    Attributes:
        length: bytes so far.
    """

    def __init__(self, patcher: Patcher) -> None:
        """Stand before a record's first byte, where a patch starts.

        Raises:
            UsageError: the starts come by coordinate, or later bytes decide them.
        """
        if patcher.placed:
            raise UsageError(
                f"these patches come by coordinate ({', '.join(patcher.side) or 'letter case'}), which bytes that are "
                "still to come do not have: choose a model whose patches are cut by its bytes, or of a fixed stride"
            )
        if patcher.reads_ahead or (patcher.config.isolate and patcher.config.edges == "at"):
            raise UsageError(
                f"patches of mode {patcher.config.mode} that later bytes decide (an optimum, symmetric scores, edges "
                "of runs cut at the edge) cannot be cut byte by byte: choose another patcher"
            )
        self.length = 0
        self._patcher = patcher
        self._before = np.zeros(0, np.int64)  # as many bytes as a score or the edge of a run may read
        self._state = mark(np.zeros(1, np.uint16), patcher.rule, START)[1]

    def extend(self, ids: np.ndarray) -> np.ndarray:
        """Take the next bytes of the record.

        Args:
            ids: int64 (k,).

        Returns:
            bool (k,): whether a patch starts behind each of them.
        """
        ids, config = np.asarray(ids), self._patcher.config
        codes = np.zeros(len(ids), np.uint16)
        if self._patcher.scale is not None:
            codes = self._patcher.source_codes(ids, self._before)[1:]
        edges = self._edges(ids) if config.isolate else NO_EDGES
        marks, self._state = mark(codes, self._patcher.rule, self._state, edges)
        reach = max(1, self._patcher.source.reach if self._patcher.scale is not None else 0)
        self._before = np.concatenate([self._before, ids])[-reach:]
        self.length += len(ids)
        return marks

    def fork(self) -> "Follower":
        """Return a follower of the same bytes, which may go on with others."""
        return copy.copy(self)  # its parts are replaced, never changed

    def _edges(self, ids: np.ndarray) -> Edges:
        """Return the starts that the edges of runs force, each one byte behind its edge."""
        letters = np.where(ids < 256, ids, 0).astype(np.uint8)
        previous = self._before[-1:]
        last = int(previous[0] if previous[0] < 256 else 0) if len(previous) else None
        at = np.flatnonzero(revealed(letters, last, ("n",), self._patcher.config.alphabet))
        return Edges(at, (self.length + 1 + at) % self._patcher.rule.unit)
