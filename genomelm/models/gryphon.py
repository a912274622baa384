"""Gryphon's backbone: in each layer S5 blocks, then BigBird blocks, pre-norm, with gated MLPs."""

import torch
from torch import nn

from genomelm.models.config import GryphonBackboneConfig, ShellConfig
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.mlp import GatedMLP
from genomelm.nn.s5 import S5Operator


class S5Block(nn.Module):
    """x + s5(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, shell: ShellConfig, config: GryphonBackboneConfig) -> None:
        super().__init__()
        self.mixer_norm = nn.RMSNorm(shell.width)
        self.mixer = S5Operator(
            shell.width, config.state, max(shell.target_length // 8, 32), shell.objective == "masked"
        )
        self.mlp_norm = nn.RMSNorm(shell.width)
        self.mlp = GatedMLP(shell.width, config.hidden)

    def forward(self, x: torch.Tensor, places: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D)."""
        x = x + self.mixer(self.mixer_norm(x), present)
        return x + self.mlp(self.mlp_norm(x))


class BigBirdBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)).

    Args:
        layer: number of this block among the backbone's BigBird blocks: its random blocks are its own.
    """

    def __init__(self, shell: ShellConfig, config: GryphonBackboneConfig, layer: int) -> None:
        super().__init__()
        self.mixer_norm = nn.RMSNorm(shell.width)
        self.mixer = BigBirdAttention(
            shell.width,
            config.heads,
            layer,
            seed=config.seed,
            block=config.block,
            window=config.window,
            sinks=config.global_blocks,
            random=config.random_blocks,
            rotary_base=4.0 * max(shell.target_length, 1024),
            bidirectional=shell.objective == "masked",
        )
        self.mlp_norm = nn.RMSNorm(shell.width)
        self.mlp = GatedMLP(shell.width, config.hidden)

    def forward(self, x: torch.Tensor, places: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D)."""
        x = x + self.mixer(self.mixer_norm(x), places, present)
        return x + self.mlp(self.mlp_norm(x))


class GryphonBackbone(nn.Module):
    """Layers of S5 and BigBird blocks with a last norm. The S5's target length is the shell's, in patches of eight."""

    def __init__(self, shell: ShellConfig, config: GryphonBackboneConfig) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        attending = 0
        for _ in range(config.layers):
            blocks += [S5Block(shell, config) for _ in range(config.s5_blocks_per_layer)]
            for _ in range(config.bigbird_blocks_per_layer):
                blocks.append(BigBirdBlock(shell, config, attending))
                attending += 1
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.RMSNorm(shell.width)

    def forward(self, x: torch.Tensor, places: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D); causal shells: row j from rows <= j.

        Args:
            x: patch states.
            places: (b, p) int64, base coordinate of each patch's first byte.
            present: (b, p) bool, False past a row's last patch.
        """
        for block in self.blocks:
            x = block(x, places, present)
        return self.norm(x)
