"""The transformer's backbone: the baseline, and the classic control that it is measured against."""

import torch
from torch import nn

from genomelm.models.backbone import Block
from genomelm.models.config import PositionConfig, ShellConfig
from genomelm.models.transformer_config import TransformerBackboneConfig
from genomelm.nn.attention import ClassicAttention, SlidingAttention
from genomelm.nn.merge import AdaptiveTokenMerger
from genomelm.nn.mlp import ReluMLP
from genomelm.nn.positions import sinusoids
from genomelm.nn.rows import Rows


def transformer_blocks(shell: ShellConfig, positions: PositionConfig, config: TransformerBackboneConfig) -> list[Block]:
    """Return the blocks."""
    both = shell.objective == "masked"
    if config.classic:
        base = 4.0 * max(shell.target_length, 1024)
        sizes = (shell.width, config.hidden, config.heads, both)
        return [ClassicBlock(*sizes, None if layer else base) for layer in range(config.layers)]
    base = positions.rotary_base(shell.target_length) if config.positions == "rotary" else None
    alibi = config.positions == "alibi"
    return [
        Block(
            shell.width,
            config.hidden,
            SlidingAttention(shell.width, config.heads, config.window, base, both, alibi=alibi),
            config.mlp,
            config.rezero,
        )
        for _ in range(config.layers)
    ]


class ClassicBlock(Block):
    """norm(x + mixer(x)), then norm(x + mlp(x)), as first published (Vaswani et al. 2017, arXiv:1706.03762).

    Args:
        width: D.
        hidden: hidden width of the MLP.
        heads: attention heads.
        bidirectional: False: row j is made from rows <= j.
        base: frequency base of the sines that the first block adds to its input; None: another block. The input is
            normed first: beside raw patch states the sines would be all there is.
    """

    def __init__(self, width: int, hidden: int, heads: int, bidirectional: bool, base: float | None) -> None:
        super().__init__(width, hidden, ClassicAttention(width, heads, bidirectional))
        self.mixer_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = ReluMLP(width, hidden)
        self.base = base
        self.start = None if base is None else nn.LayerNorm(width)

    def forward(self, x: torch.Tensor, rows: Rows, merger: AdaptiveTokenMerger | None = None) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D); with a merger the mixer runs on merged rows."""
        if self.start is not None:
            x = self.start(x) + sinusoids(rows.places, x.shape[-1], self.base).to(x.dtype)
        x = self.mixer_norm(x + (self.mixer(x, rows) if merger is None else merger(x, rows, self.mixer)))
        return self.mlp_norm(x + self.mlp(x))
