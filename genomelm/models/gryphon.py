"""Gryphon's backbone: in each layer S5 blocks, then BigBird blocks; or BigBird blocks with an S5 in their MLP."""

from typing import Any

import torch

from genomelm.models.backbone import Block
from genomelm.models.config import GryphonBackboneConfig, PositionConfig, ShellConfig
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.merge import AdaptiveTokenMerger
from genomelm.nn.rows import Rows
from genomelm.nn.s5 import GatedStateSpace, S5Operator


class StateBlock(Block):
    """x + mixer(norm(x)), then x + mlp(norm(x)) with an MLP that mixes rows too. Experimental.

    Args:
        width: D.
        mixer: called with (b, p, D) and Rows; returns (b, p, D).
        mlp: the same.
    """

    def __init__(self, width: int, mixer: BigBirdAttention, mlp: GatedStateSpace) -> None:
        super().__init__(width, 1, mixer)
        self.mlp = mlp

    def forward(self, x: torch.Tensor, rows: Rows, merger: AdaptiveTokenMerger | None = None) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D); with a merger the mixer runs on merged rows, the MLP on all."""
        mixed = self.mixer_norm(x)
        x = x + (self.mixer(mixed, rows) if merger is None else merger(mixed, rows, self.mixer))
        return x + self.mlp(self.mlp_norm(x), rows)

    def initial_state(self, batch: int) -> tuple[Any, torch.Tensor]:
        """Return the states of mixer and MLP before the first row."""
        return self.mixer.initial_state(batch), self.mlp.initial_state(batch)

    def extend(self, x: torch.Tensor, rows: Rows, state: tuple, last: int | None = None) -> tuple[torch.Tensor, tuple]:
        """Map the k rows (b, k, D) that follow those behind `state`; return them, or the `last`, and the state."""
        mixed, of_mixer = self.mixer.extend(self.mixer_norm(x), rows, state[0])
        x = x + mixed
        more, of_mlp = self.mlp.extend(self.mlp_norm(x), rows, state[1])
        y = x + more
        return y if last is None else y[:, y.shape[1] - last :], (of_mixer, of_mlp)


def gryphon_blocks(shell: ShellConfig, positions: PositionConfig, config: GryphonBackboneConfig) -> list[Block]:
    """Return the blocks. The S5's target length is the shell's, in patches of eight."""
    target, both = max(shell.target_length // 8, 32), shell.objective == "masked"
    memory = (config.state, target, both, config.irregular)
    blocks: list[Block] = []
    attending = 0  # each BigBird block has random blocks of its own
    for _ in range(config.layers):
        for _ in range(config.s5_blocks_per_layer if config.blueprint == "a" else 0):
            blocks.append(Block(shell.width, config.hidden, S5Operator(shell.width, *memory)))
        for _ in range(config.bigbird_blocks_per_layer):
            attention = BigBirdAttention(
                shell.width,
                config.heads,
                attending,
                seed=config.seed,
                block=config.block,
                window=config.window,
                sinks=config.global_blocks,
                random=config.random_blocks,
                rotary_base=positions.rotary_base(shell.target_length),
                bidirectional=both,
            )
            if config.blueprint == "a":
                blocks.append(Block(shell.width, config.hidden, attention))
            else:
                mlp = GatedStateSpace(shell.width, config.hidden, *memory)
                blocks.append(StateBlock(shell.width, attention, mlp))
            attending += 1
    return blocks
