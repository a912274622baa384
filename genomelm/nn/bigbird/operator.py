"""The BigBird operator: projections around the sparse attention."""

import torch
from torch import nn

from genomelm.errors import UsageError
from genomelm.nn.bigbird.cache import extend
from genomelm.nn.bigbird.maps import shares
from genomelm.nn.bigbird.pattern import BlockPattern, Sparsity
from genomelm.nn.bigbird.portable import attention
from genomelm.nn.bigbird.storage import BigBirdState, initial_state
from genomelm.nn.rows import Rows


class BigBirdAttention(nn.Module):
    """Self-attention whose blocks read neighbouring, global and random blocks (Zaheer et al. 2020, arXiv:2007.14062).

    Causal: the window ends at the query's block, and means of closed groups of 2, 4, 8, ... blocks stand for the far
    past. Bidirectional: the global blocks read everything. Each patch reads a constant number of blocks and, causal,
    one mean a level; so work and memory grow as p (the means: p log p). The random blocks follow from the arguments
    (see `pattern`): the same in training and evaluation, on every device and after reloading.

    Decoding row by row reads as little a row, but keeps the keys and values of all rows: its state is O(p).

    Args:
        width: d.
        heads: attention heads.
        layer: number of this layer; layers draw different random blocks.
        seed: of the random blocks.
        block: patches of a block.
        window, sinks, random: neighbouring blocks (the own one included), global blocks, further blocks drawn.
        rotary_base: frequency base of the rotary angles, at least 4 * target length in bases / (2 pi); None: none.
        bidirectional: False: row j is made from rows <= j.

    Raises:
        UsageError: the width does not split into heads of an even width.
    """

    constant_state = False

    def __init__(
        self,
        width: int,
        heads: int,
        layer: int,
        seed: int = 0,
        block: int = 64,
        window: int = 3,
        sinks: int = 2,
        random: int = 2,
        rotary_base: float | None = 4096.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        if width % (2 * heads):
            raise UsageError(
                f"the width of the patch states is {width}, which does not split into {heads} attention heads of an "
                f"even width (rotary positions turn pairs of channels): choose a multiple of {2 * heads}"
            )
        self.pattern = BlockPattern(heads, layer, seed, window, sinks, random, bidirectional)
        self.block = block
        self.rotary_base = rotary_base
        self.into = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Mix (b, p, d) along p.

        Args:
            x: (b, p, d).
            rows: geometry; what stands at padding is not read.

        Returns:
            (b, p, d); zeros where not present.
        """
        x = x.masked_fill(~rows.present[..., None], 0)
        query, key, value = self.into(x).unflatten(-1, (3, self.pattern.heads, -1)).unbind(2)  # (b, p, h, d / h) each
        turn = None if self.rotary_base is None else rows.turn(query.shape[-1] // 2, self.rotary_base)
        given = (rows.places, rows.present, self.pattern, self.block, self.rotary_base, turn)
        mixed = attention(query, key, value, *given)
        return self.out(mixed.flatten(-2))

    def initial_state(self, batch: int) -> BigBirdState:
        """Return the state before the first row.

        Raises:
            UsageError: the operator is bidirectional.
        """
        if self.pattern.bidirectional:
            raise UsageError(
                "this BigBird attention is bidirectional and needs all rows at once: decode with a causal model"
            )
        heads, weight = self.pattern.heads, self.out.weight
        return initial_state(batch, heads, len(weight) // heads, self.block, weight)

    def extend(self, x: torch.Tensor, rows: Rows, state: BigBirdState) -> tuple[torch.Tensor, BigBirdState]:
        """Mix rows that follow those behind `state`, each reading as many blocks as in `forward`.

        Args:
            x: (b, k, d), k >= 1, without padding; k is 1 where the sequences are not equally long.
            rows: geometry of these rows.
            state: from `initial_state` or an earlier call; O(p) for p rows so far.

        Returns:
            y: (b, k, d).
            state: after the last row.
        """
        query, key, value = self.into(x).unflatten(-1, (3, self.pattern.heads, -1)).unbind(2)
        turn = None if self.rotary_base is None else rows.turn(query.shape[-1] // 2, self.rotary_base)
        mixed, state = extend(query, key, value, rows.places, self.pattern, self.rotary_base, state, turn)
        return self.out(mixed.flatten(-2)), state

    @property
    def heads(self) -> int:
        """Attention heads."""
        return self.pattern.heads

    def weights(self, x: torch.Tensor, rows: Rows, queries: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
        """Return what some rows read: (b, g, q, p) float32 at least, of all patches; they sum to 1 at real rows.

        Args:
            x: (b, p, d), as `forward` gets it.
            rows: geometry.
            queries: (q,) int64, rows that read; those at padding have zeros.
            heads: (g,) int64.
        """
        x = x.masked_fill(~rows.present[..., None], 0)
        query, key, _ = self.into(x).unflatten(-1, (3, self.heads, -1)).unbind(2)
        given = (rows.places, rows.present, self.pattern, self.block, self.rotary_base)
        return shares(query, key, *given, queries, heads)

    def sparsity(self, patches: int) -> Sparsity:
        """Return the share of pairs of dense attention over so many patches that is not read, and the blocks."""
        return self.pattern.sparsity(patches, self.block)
