"""What stands in the middle of the byte-latent shell: pre-norm blocks over patch states."""

from collections.abc import Sequence

import torch
from torch import nn

from genomelm.nn.mlp import GatedMLP
from genomelm.nn.rows import Rows


class Block(nn.Module):
    """x + mixer(norm(x)), then x + mlp(norm(x)).

    Args:
        width: D.
        hidden: hidden width of the gated MLP.
        mixer: called with (b, p, D) and Rows; returns (b, p, D).
    """

    def __init__(self, width: int, hidden: int, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer_norm = nn.RMSNorm(width)
        self.mixer = mixer
        self.mlp_norm = nn.RMSNorm(width)
        self.mlp = GatedMLP(width, hidden)

    def forward(self, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D)."""
        x = x + self.mixer(self.mixer_norm(x), rows)
        return x + self.mlp(self.mlp_norm(x))


class Backbone(nn.Module):
    """A stack of blocks with a last norm."""

    def __init__(self, width: int, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.RMSNorm(width)

    def forward(self, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D); causal shells: row j from rows <= j."""
        for block in self.blocks:
            x = block(x, rows)
        return self.norm(x)
