"""Which blocks a block reads: a pure function of the configuration, the same on every device and at every time.

The rule, for query block i of a record with n blocks, in each head:
- available: blocks 0..i (causal) or 0..n-1 (bidirectional); slots = window + sinks + random;
- fixed: the global blocks (the first `sinks` ones), and the window (causal: the last `window` blocks up to i;
  bidirectional: `window // 2` before i and the others from i on), as far as available;
- drawn: want = min(slots, available) - fixed further blocks, so that what window and global blocks share, or what the
  record's end cuts off, is topped up. The other available blocks, in order, are candidates 0..free-1, and draw s takes
  candidate t = u[i * slots + s] mod (free - want + s + 1), or the last of these where t is taken (Floyd's sampling:
  every set is equally likely, each block comes once, and want counters are enough);
- u[c] is the upper 63 bits of output c of splitmix64, seeded by a digest of (seed, layer, head).
A causal choice knows i, not n. Bidirectional global blocks read every block.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch

from genomelm.nn.shifts import shifted
from genomelm.runtime import counter_seed

KEPT = 8
"""Causal patterns that are kept, of so many numbers of blocks: drawing one is some sixty small operations."""


class Sparsity(NamedTuple):
    """What the pattern leaves out of dense attention over one record."""

    share: float
    """Query-key pairs that dense attention reads and this one does not, over the former; summaries count as reads."""
    blocks: int
    """Blocks of the record."""


@dataclass(frozen=True)
class BlockPattern:
    """Key blocks of every query block.

    Args:
        heads, layer, seed: what the random blocks depend on, beside the query block and (bidirectional) the record's
            number of blocks.
        window: neighbouring blocks, the query's own included.
        sinks: global blocks.
        random: further blocks, distinct from those.
        bidirectional: False: no block reads a later one.
    """

    heads: int
    layer: int
    seed: int = 0
    window: int = 3
    sinks: int = 2
    random: int = 2
    bidirectional: bool = False
    _kept: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def slots(self) -> int:
        """Key blocks of a query block that is not global."""
        return self.window + self.sinks + self.random

    @cached_property
    def _keys(self) -> list[int]:
        return [counter_seed("bigbird", self.seed, self.layer, head) for head in range(self.heads)]

    @torch.compiler.disable  # the compiler folds constants beyond 64 bits, and would draw anew at each call
    def key_blocks(self, blocks: int, counts: torch.Tensor, first: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the key blocks of every query block, or (causal) of those from `first` on.

        Args:
            blocks: number of blocks of the batch, n; n less `first` where that is given below.
            counts: (b,) int64, blocks of each record; read by the bidirectional pattern only, and its device is used.

        Returns:
            Key blocks (b or 1, h, n, slots) int64, slot 0 the query's own block, and whether each slot is in use, bool
            (b or 1, 1, n, slots). The rows of global blocks (bidirectional) and of blocks past a record's end mean
            nothing.
        """
        key = (blocks, counts.device)
        if self.bidirectional or first:
            return self._choose(blocks, counts, first)
        if key not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            # XLA would compile what draws them into the first pass, and all of it anew for the next, which has them.
            where = torch.zeros(0, dtype=torch.int64) if counts.device.type == "xla" else counts
            with torch.inference_mode(False):  # what is kept may be used in training
                chosen, used = self._choose(blocks, where, first)
                self._kept[key] = chosen.to(counts.device), used.to(counts.device)
        return self._kept[key]

    def _choose(self, blocks: int, counts: torch.Tensor, first: int) -> tuple[torch.Tensor, torch.Tensor]:
        device = counts.device
        own = torch.arange(first, blocks, device=device)[:, None]  # (n, 1)
        if self.bidirectional:
            limit = torch.maximum(counts[:, None, None, None], own + 1)  # (b, 1, n, 1): blocks available
            before = self.window // 2
        else:
            limit = (own + 1)[None, None]
            before = self.window - 1
        shared = own.clamp_max(self.sinks)  # global blocks before one's own
        low = torch.maximum(own - before, shared)
        high = torch.minimum(own - before + self.window, limit)
        fixed = shared + high - low
        total = limit.clamp_max(self.slots)
        slot = torch.arange(self.slots, device=device)
        near = low + slot - 1 - shared
        near = near + (near >= own)
        fixed_block = torch.where(slot <= shared, slot - 1, near).where(slot > 0, own)
        # What any block can want: bidirectional, global blocks or the record's end may take the window but for own.
        draws = max(self.random + (self.window - 1 if self.bidirectional else 0), 1)
        drawn = self._draw(limit - fixed, total - fixed, draws, first)
        drawn = drawn + torch.where(drawn < low - shared, shared, high - low + shared)
        place = (slot - fixed).clamp(0, draws - 1).expand(*drawn.shape[:3], -1)
        chosen = torch.where(slot < fixed, fixed_block, drawn.gather(-1, place))
        return torch.where(slot < total, chosen, own), slot < total

    def _draw(self, free: torch.Tensor, want: torch.Tensor, draws: int, first: int) -> torch.Tensor:
        """Draw `want` <= draws distinct numbers below `free`, both (b or 1, 1, n, 1): (b or 1, h, n, draws) int64.

        The n query blocks are those from `first` on.
        """
        device = free.device
        stream = torch.tensor(self._keys, device=device)[:, None, None]
        own = torch.arange(first, first + free.shape[2], device=device)[:, None]
        counter = own * self.slots + torch.arange(draws, device=device)
        bits = splitmix64(stream, counter)  # (h, n, draws)
        taken: list[torch.Tensor] = []
        for s in range(draws):
            last = (free - want + s).clamp_min(0)[..., 0]
            t = bits[..., s] % (last + 1)
            for other in taken:
                t = torch.where(t == other, last, t)
            taken.append(t)
        return torch.stack(taken, -1)

    def pattern_of(self, blocks: int) -> list[list[list[int]]]:
        """Return, for a record of so many blocks, the sorted key blocks: [head][query block] -> blocks."""
        chosen, used = self.key_blocks(blocks, torch.tensor([blocks]))
        dense = self.sinks if self.bidirectional else 0
        return [
            [
                list(range(blocks)) if i < dense else sorted(row[mask].tolist())
                for i, (row, mask) in enumerate(zip(rows, used[0, 0], strict=True))
            ]
            for rows in chosen[0]
        ]

    def groups_of(self, blocks: int) -> list[list[tuple[int, int]]]:
        """Return the groups of blocks whose means each block reads, near to far: [query block] -> (first, end)."""
        if self.bidirectional:
            return [[] for _ in range(blocks)]
        levels = range(1, summary_levels(blocks) + 1)
        return [[(((i >> k) - 1) << k, (i >> k) << k) for k in levels if i >> k] for i in range(blocks)]

    def sparsity(self, patches: int, block: int) -> Sparsity:
        """Count what dense attention over a record of so many patches reads and this pattern does not.

        Dense causal attention reads the lower triangle. The rows of global blocks count as the dense rows that they
        are, a summary as one key. In records of few blocks the causal share is below 0: they leave nothing out, and
        the summaries come on top.
        """
        blocks = -(-patches // block)
        sizes = torch.full((blocks,), block)
        sizes[-1] = patches - block * (blocks - 1)
        chosen, used = self.key_blocks(blocks, torch.tensor([blocks]))
        keys = (sizes[chosen[0]] * used[0]).sum(-1)  # (h, n)
        if self.bidirectional:
            keys[:, : self.sinks] = patches
            dense = patches**2
            reads = int((keys * sizes).sum())
        else:
            keys += torch.tensor([len(groups) for groups in self.groups_of(blocks)])
            dense = patches * (patches + 1) // 2
            above = int((sizes * (sizes - 1)).sum()) // 2  # pairs of one block whose key is the later one
            reads = int((keys * sizes).sum()) - above * self.heads
        return Sparsity(1 - reads / (dense * self.heads), blocks)


def summary_levels(blocks: int) -> int:
    """Return the number of levels k >= 1 at which some block of a causal record has a closed group of 2^k blocks."""
    return max((blocks - 1).bit_length() - 1, 0)


def splitmix64(stream: torch.Tensor, counter: torch.Tensor) -> torch.Tensor:
    """Return the upper 63 bits of outputs of splitmix64 (Steele, Lea and Flood 2014), for int64 arrays or tensors.

    Args:
        stream: (...) int64 seeds of the streams.
        counter: (...) int64 >= 0, which output.

    Returns:
        (...) int64 >= 0. Products and sums wrap at 64 bits; constants are written as signed numbers.
    """
    z = stream + (counter + 1) * -0x61C8864680B583EB
    z = (z ^ shifted(z, 30)) * -0x40A7B892E31B1A47
    z = (z ^ shifted(z, 27)) * -0x6B2FB644ECCEEE15
    z = z ^ shifted(z, 31)
    return shifted(z, 1)
