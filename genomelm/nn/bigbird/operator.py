"""The BigBird operator: projections around the sparse attention."""

import torch
from torch import nn

from genomelm.errors import UsageError
from genomelm.nn.bigbird.pattern import BlockPattern, Sparsity
from genomelm.nn.bigbird.portable import attention
from genomelm.nn.rows import Rows


class BigBirdAttention(nn.Module):
    """Self-attention whose blocks read neighbouring, global and random blocks (Zaheer et al. 2020, arXiv:2007.14062).

    Causal: the window ends at the query's block, and means of closed groups of 2, 4, 8, ... blocks stand for the far
    past. Bidirectional: the global blocks read everything. Each patch reads a constant number of blocks and, causal,
    one mean a level; so work and memory grow as p (the means: p log p). The random blocks follow from the arguments
    (see `pattern`): the same in training and evaluation, on every device and after reloading.

    Args:
        width: d.
        heads: attention heads.
        layer: number of this layer; layers draw different random blocks.
        seed: of the random blocks.
        block: patches of a block.
        window, sinks, random: neighbouring blocks (the own one included), global blocks, further blocks drawn.
        rotary_base: frequency base of the rotary angles, at least 4 * target length in bases / (2 pi).
        bidirectional: False: row j is made from rows <= j.

    Raises:
        UsageError: the width does not split into heads of an even width.
    """

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
        rotary_base: float = 4096.0,
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
        mixed = attention(query, key, value, rows.places, rows.present, self.pattern, self.block, self.rotary_base)
        return self.out(mixed.flatten(-2))

    def sparsity(self, patches: int) -> Sparsity:
        """Return the share of pairs of dense attention over so many patches that is not read, and the blocks."""
        return self.pattern.sparsity(patches, self.block)
