"""A causal depthwise convolution row by row, of sequences that grow side by side."""

import torch
import torch.nn.functional as F

from genomelm.nn.shortconv import ShortConv

ROOM = 128
"""Rows that are added before the storage is moved."""


class Pending:
    """What rows so far add to the next outputs of a convolution: a row is added to all that it reaches when it comes.

    Args:
        conv: causal. Its weights must stay as they are.
        sums: (reach, b, d) of the next outputs, bias included; None: no row of one sequence has come.
    """

    def __init__(self, conv: ShortConv, sums: torch.Tensor | None = None) -> None:
        self._conv, self._reach = conv, conv.reach
        self._taps = conv.weight[:, 0, 0].T.flip(0)[:, None].contiguous()  # (k, 1, d), of lag 0 first
        self._hold(conv.bias.repeat(self._reach, 1, 1) if sums is None else sums)

    @property
    def nbytes(self) -> int:
        """Bytes of the storage."""
        return self._store.nbytes

    def add(self, row: torch.Tensor) -> torch.Tensor:
        """Add the next row (b, d); return its output (b, d), which may be written over."""
        if self._at + self._reach == len(self._store):
            self._hold(self._sums())
        reached = self._store[self._at : self._at + self._reach + 1 : self._conv.dilation]
        self._at += 1
        return reached.addcmul_(self._taps, row)[0]

    def extend(self, rows: torch.Tensor) -> torch.Tensor:
        """Add the next rows (b, k, d), k >= 2; return their outputs (b, k, d)."""
        count = rows.shape[1]
        y, _ = self._conv.extend(F.pad(rows, (0, 0, 0, self._reach)), self._conv.initial_state(len(rows)))
        y[:, : self._reach] += (self._sums() - self._conv.bias).transpose(0, 1)
        self._hold(y[:, count:].transpose(0, 1))
        return y[:, :count]

    def repeat(self, count: int) -> "Pending":
        """Return that of `count` sequences that begin as this one's only sequence does."""
        return Pending(self._conv, self._sums().expand(-1, count, -1))

    def _sums(self) -> torch.Tensor:
        return self._store[self._at : self._at + self._reach]

    def _hold(self, sums: torch.Tensor) -> None:
        store = self._conv.bias.repeat(self._reach + ROOM, sums.shape[1], 1)
        store[: self._reach] = sums
        self._at, self._store = 0, store
