"""The newest rows of sequences that grow side by side, in storage that is moved only now and then."""

import torch

ROOM = 128
"""Rows that are written before the storage is moved."""


class Tape:
    """Rows of b sequences, one a sequence at a time.

    Args:
        rows: (n, b, ...) the rows so far, oldest first; they are copied.
    """

    def __init__(self, rows: torch.Tensor) -> None:
        self._end = len(rows)
        self._store = rows.new_empty(self._end + ROOM, *rows.shape[1:])
        self._store[: self._end] = rows

    @property
    def nbytes(self) -> int:
        """Bytes of the storage."""
        return self._store.nbytes

    def write(self, row: torch.Tensor, keep: int) -> None:
        """Write the next row (b, ...) of each sequence; the `keep` rows before it can still be read, older ones not."""
        if self._end == len(self._store):
            self.__init__(self.newest(keep))
        self._store[self._end].copy_(row)
        self._end += 1

    def newest(self, count: int) -> torch.Tensor:
        """Return a view of the newest `count` rows: (count, b, ...)."""
        return self._store[self._end - count : self._end]

    def repeat(self, count: int, keep: int) -> "Tape":
        """Return a tape of `count` sequences that begin as the newest `keep` rows of this one's only sequence do."""
        rows = self.newest(keep)
        return Tape(rows.expand(keep, count, *rows.shape[2:]))
