"""Rows that are all kept, of sequences that need not be equally long, in storage that doubles when it is full."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from genomelm.nn.held import Chosen, Held

FEWEST = 16
"""Rows that a new storage has room for."""


@dataclass
class _Storage:
    """Rows (s, room, ...) of s sequences, of several kinds, and how many of each sequence stand in it, (s,) int64."""

    parts: list[torch.Tensor]
    filled: np.ndarray


class History(Held):
    """The rows so far of some sequences of a storage.

    A history that was written behind shares its storage with the one that came of it; writing behind it once more
    copies.

    Attributes:
        count: (b,) int64, rows of each sequence.
        longest: rows of the longest sequence.
        is_even: whether the sequences are equally long.
    """

    def __init__(self, storage: _Storage, which: np.ndarray, index: torch.Tensor | None, count: np.ndarray) -> None:
        self._storage, self._which, self._index = storage, which, index  # index None: all, in order
        self.count, self.longest = count, int(count.max())
        self.is_even = bool((count == self.longest).all())

    @classmethod
    def empty(cls, *likes: torch.Tensor) -> "History":
        """Return the history of b sequences without rows; `likes` (b, 0, ...) give each kind's shape and dtype."""
        parts = [like.new_zeros(len(like), FEWEST, *like.shape[2:]) for like in likes]
        batch = len(likes[0])
        return cls(_Storage(parts, np.zeros(batch, np.int64)), np.arange(batch), None, np.zeros(batch, np.int64))

    def written(self, *new: torch.Tensor) -> "History":
        """Return the history with the rows (b, k, ...) of each kind behind it; several only where it is even."""
        k, storage = new[0].shape[1], self._with_room(self.longest + new[0].shape[1])
        assert k == 1 or self.is_even, "several rows are written behind sequences that are not equally long"
        which = self._rows()
        at = slice(self.longest, self.longest + k) if self.is_even else self._tensor(self.count)
        for part, rows in zip(storage.parts, new, strict=True):
            part[which, at] = (rows if self.is_even else rows[:, 0]).to(part.dtype)
        count = self.count + k
        storage.filled[self._which] = count
        return History(storage, self._which, self._index, count)

    def rows(self) -> list[torch.Tensor]:
        """Return the rows of each kind, (b, longest, ...); behind a shorter sequence's rows stands anything."""
        parts = [part[:, : self.longest] for part in self._storage.parts]
        return parts if self._index is None else [part.index_select(0, self._index) for part in parts]

    def there(self) -> torch.Tensor:
        """Return which of `rows` there are: (b, longest) bool."""
        return self._tensor(np.arange(self.longest) < self.count[:, None])

    def repeated(self, count: int) -> "History":
        """Return the history of `count` sequences like its only one, in a storage of their own."""
        assert len(self._which) == 1, "a history of several sequences is not repeated"
        row = int(self._which[0])
        parts = [part[row].expand(count, *part.shape[1:]).clone() for part in self._storage.parts]
        rows = self.count.repeat(count)
        return History(_Storage(parts, rows.copy()), np.arange(count), None, rows)

    def select(self, chosen: Chosen) -> "History":
        """Return the history of some sequences, in the same storage."""
        index = chosen.index if self._index is None else self._index[chosen.index]
        return History(self._storage, self._which[chosen.numbers], index, self.count[chosen.numbers])

    def copies(self, chosen: Chosen) -> "History":
        """Return the history of new sequences that begin as the chosen ones do, in a storage of their own."""
        rows = chosen.index if self._index is None else self._index[chosen.index]
        count = self.count[chosen.numbers]
        parts = [part.index_select(0, rows) for part in self._storage.parts]
        return History(_Storage(parts, count.copy()), np.arange(len(count)), None, count)

    def put(self, chosen: Chosen, part: "History") -> "History":
        """Return the history of all, where some went on to `part`."""
        count = self.count.copy()
        count[chosen.numbers] = part.count
        return History(part._storage, self._which, self._index, count)

    def tensors(self) -> list[torch.Tensor]:
        """Return the storage, with the room for more that it has."""
        return self._storage.parts

    def _with_room(self, rows: int) -> _Storage:
        """Return a storage with room for so many rows, that nobody else has written in behind these sequences."""
        old, room = self._storage, self._storage.parts[0].shape[1]
        more = max(1 << (rows - 1).bit_length(), room) - room
        if not more and (old.filled[self._which] == self.count).all():
            return old
        parts = [F.pad(part, (*[0, 0] * (part.dim() - 2), 0, more)) if more else part.clone() for part in old.parts]
        filled = old.filled.copy()
        filled[self._which] = self.count
        return _Storage(parts, filled)

    def _rows(self) -> torch.Tensor | slice:
        """Return the numbers of these sequences in the storage."""
        if self._index is not None:
            return self._index
        return slice(None) if self.is_even else torch.arange(len(self._which), device=self._storage.parts[0].device)

    def _tensor(self, numbers: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(numbers).to(self._storage.parts[0].device)
