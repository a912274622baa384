"""Hyena-GLT's backbone: pre-norm Hyena blocks with gated MLPs over patch states."""

import torch
from torch import nn

from genomelm.models.config import HyenaConfig, ShellConfig
from genomelm.nn.hyena import HyenaOperator
from genomelm.nn.mlp import GatedMLP


class HyenaBlock(nn.Module):
    """x + hyena(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, config: HyenaConfig, target_length: int, bidirectional: bool) -> None:
        super().__init__()
        self.mixer_norm = nn.RMSNorm(width)
        self.mixer = HyenaOperator(width, config.order, target_length, bidirectional)
        self.mlp_norm = nn.RMSNorm(width)
        self.mlp = GatedMLP(width, config.hidden)

    def forward(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D)."""
        x = x + self.mixer(self.mixer_norm(x), present)
        return x + self.mlp(self.mlp_norm(x))


class HyenaBackbone(nn.Module):
    """A stack of Hyena blocks with a last norm.

    The filters count lags in patches, so their target length is the shell's, in patches of about
    eight bases.
    """

    def __init__(self, shell: ShellConfig, config: HyenaConfig) -> None:
        super().__init__()
        target = max(shell.target_length // 8, 8)
        both = shell.objective == "masked"
        self.blocks = nn.ModuleList(HyenaBlock(shell.width, config, target, both) for _ in range(config.layers))
        self.norm = nn.RMSNorm(shell.width)

    def forward(self, x: torch.Tensor, places: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D); causal shells: row j from rows <= j. Filters count patches, not `places`."""
        for block in self.blocks:
            x = block(x, present)
        return self.norm(x)
