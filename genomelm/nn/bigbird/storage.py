"""What causal decoding keeps of the rows so far, of sequences that need not be equally long.

Keys and values of all rows are kept, O(p), and sums over each closed group of 2^k blocks, in storage that doubles when
it is full: a row costs a constant amount on average.

The groups stand in the order in which they close: block i closes first itself, then each larger group that ends with
it. Before block i there are 2 i - ones(i) groups, so group g of level k, which ends with block i = (g + 1) 2^k - 1, is
number 2 i - ones(i) + k.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from genomelm.nn.held import Chosen, Held

FEWEST = 4
"""Blocks that a new storage has room for."""


@dataclass
class Storage:
    """Rows of s sequences.

    Attributes:
        key, value: (s, h, blocks, block, d); keys are turned.
        sums: (s, groups, h, 2 d) float32 or wider, keys (not turned) and values of each closed group added up.
        places: (s, groups) int64, base coordinates of their rows added up.
        filled: (s,) int64, rows of each sequence that stand in it.
        now: what rows of each sequence's newest block read; None until one is read alone.
    """

    key: torch.Tensor
    value: torch.Tensor
    sums: torch.Tensor
    places: torch.Tensor
    filled: np.ndarray
    now: "Reads | None" = None


@dataclass
class Reads:
    """What a sequence's rows read as long as they are of one block.

    Attributes:
        block: (s,) int64, that block; -1 where nothing is known.
        near: (s, h, slots) int64, the blocks read, counted through all sequences and heads of the storage.
        key, value: (s, h, levels, d), means of closed groups; keys are turned.
        bias: (s, slots * block + levels) float32, 0, and minus infinity for rows that are not (yet) to be read, and
            where there is no group.
    """

    block: np.ndarray
    near: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    bias: torch.Tensor


class BigBirdState(Held):
    """Some sequences of a storage.

    A state that was extended shares its storage with the one that came of it; extending it once more copies.

    Attributes:
        storage: theirs, and that of others.
        which: (b,) int64, their numbers in it.
        index: the same on the device; None: all of them, in order.
        count: (b,) int64, rows so far.
        open_sum, open_place: (b, h, 2 d) and (b,), sums and places of the rows behind the last closed block.
    """

    def __init__(
        self,
        storage: Storage,
        which: np.ndarray,
        index: torch.Tensor | None,
        count: np.ndarray,
        open_sum: torch.Tensor,
        open_place: torch.Tensor,
    ) -> None:
        self.storage, self.which, self.index = storage, which, index
        self.count, self.open_sum, self.open_place = count, open_sum, open_place

    def repeated(self, count: int) -> "BigBirdState":
        """Return the state of `count` sequences like its only one, in a storage of their own."""
        assert len(self.which) == 1, "a state of several sequences is not repeated"
        row, old = int(self.which[0]), self.storage

        def many(x: torch.Tensor) -> torch.Tensor:
            return x[row].expand(count, *x.shape[1:]).clone()

        rows = self.count.repeat(count)
        storage = Storage(many(old.key), many(old.value), many(old.sums), many(old.places), rows.copy())
        sums, places = (x.repeat(count, *[1] * (x.dim() - 1)) for x in (self.open_sum, self.open_place))
        return BigBirdState(storage, np.arange(count), None, rows, sums, places)

    def select(self, chosen: Chosen) -> "BigBirdState":
        """Return the state of some sequences, in the same storage."""
        numbers, index = chosen
        which = index if self.index is None else self.index[index]
        opened = self.open_sum[index], self.open_place[index]
        return BigBirdState(self.storage, self.which[numbers], which, self.count[numbers], *opened)

    def copies(self, chosen: Chosen) -> "BigBirdState":
        """Return the state of new sequences that begin as the chosen ones do, in a storage of their own."""
        numbers, index = chosen
        old, rows = self.storage, index if self.index is None else self.index[index]
        count = self.count[numbers]
        storage = Storage(old.key[rows], old.value[rows], old.sums[rows], old.places[rows], count.copy())
        return BigBirdState(storage, np.arange(len(count)), None, count, self.open_sum[index], self.open_place[index])

    def put(self, chosen: Chosen, part: "BigBirdState") -> "BigBirdState":
        """Return the state of all, where some went on to `part`."""
        count = self.count.copy()
        count[chosen.numbers] = part.count
        sums = self.open_sum.index_copy(0, chosen.index, part.open_sum)
        places = self.open_place.index_copy(0, chosen.index, part.open_place)
        return BigBirdState(part.storage, self.which, self.index, count, sums, places)

    def tensors(self) -> list[torch.Tensor]:
        """Return keys, values, sums and places, with the room for more that they have."""
        storage = self.storage
        return [storage.key, storage.value, storage.sums, storage.places, self.open_sum, self.open_place]

    def of(self, stored: torch.Tensor) -> torch.Tensor:
        """Return what a tensor of the storage (s, ...) holds of these sequences: (b, ...)."""
        return stored if self.index is None else stored.index_select(0, self.index)

    def rows(self) -> torch.Tensor:
        """Return the numbers of these sequences in the storage, (b,) int64."""
        return torch.arange(len(self.which), device=self.open_sum.device) if self.index is None else self.index

    def with_room(self, rows: int) -> "BigBirdState":
        """Return the state with room for so many rows, in a storage that nobody else has written behind its rows."""
        old, block = self.storage, self.storage.key.shape[3]
        blocks, room = -(-rows // block), old.key.shape[2]
        more = max(1 << (blocks - 1).bit_length(), room) - room
        written = (old.filled[self.which] != self.count).any()
        if not more and not written:
            return self
        key, value = (F.pad(x, (0, 0, 0, 0, 0, more)) if more else x.clone() for x in (old.key, old.value))
        sums = F.pad(old.sums, (0, 0, 0, 0, 0, 2 * more)) if more else old.sums.clone()
        places = F.pad(old.places, (0, 2 * more)) if more else old.places.clone()
        filled = old.filled.copy()
        filled[self.which] = self.count
        storage = Storage(key, value, sums, places, filled)
        return BigBirdState(storage, self.which, self.index, self.count, self.open_sum, self.open_place)

    def alone(self, row: int) -> "BigBirdState":
        """Return the state of one of these sequences."""
        numbers = np.array([row])
        return self.select(Chosen(numbers, torch.from_numpy(numbers).to(self.open_sum.device)))


def initial_state(batch: int, heads: int, width: int, block: int, like: torch.Tensor) -> BigBirdState:
    """Return the state before the first row; `width` is a head's, d, and `like` gives dtype and device."""
    rows = like.new_zeros(batch, heads, FEWEST, block, width)
    sums = like.new_zeros(batch, 2 * FEWEST, heads, 2 * width, dtype=torch.promote_types(like.dtype, torch.float32))
    places = torch.zeros(sums.shape[:2], dtype=torch.int64, device=like.device)
    storage = Storage(rows, rows.clone(), sums, places, np.zeros(batch, np.int64))
    behind = torch.zeros_like(sums[:, 0]), torch.zeros_like(places[:, 0])
    return BigBirdState(storage, np.arange(batch), None, np.zeros(batch, np.int64), *behind)


def number_of(group: int, level: int) -> int:
    """Return where a group stands."""
    block = ((group + 1) << level) - 1
    return 2 * block - block.bit_count() + level


def close(state: BigBirdState, sums: torch.Tensor, places: torch.Tensor, first: int, end: int) -> None:
    """Write the sums of blocks first..end-1 and of the larger groups that they close, of all of a state's sequences.

    Args:
        state: in whose storage they are written.
        sums: (b, m, h, 2 d), those of blocks first, first + 1, ...; there may be more.
        places: (b, m) int64.
        first, end: blocks.
    """
    level, storage, rows = 0, state.storage, state.rows()[:, None]
    while end > first:
        if level:
            halves = torch.tensor([number_of(g, level - 1) for g in range(2 * first, 2 * end)], device=sums.device)
            sums = storage.sums[rows, halves].unflatten(1, (-1, 2)).sum(2)
            places = storage.places[rows, halves].unflatten(1, (-1, 2)).sum(2)
        numbers = torch.tensor([number_of(group, level) for group in range(first, end)], device=sums.device)
        storage.sums[rows, numbers] = sums[:, : end - first]
        storage.places[rows, numbers] = places[:, : end - first]
        first, end, level = first >> 1, end >> 1, level + 1


def gone_on(state: BigBirdState, count: np.ndarray, open_sum: torch.Tensor, open_place: torch.Tensor) -> BigBirdState:
    """Return the state after its sequences have so many rows (b,), which stand in its storage."""
    state.storage.filled[state.which] = count
    return BigBirdState(state.storage, state.which, state.index, count, open_sum, open_place)
