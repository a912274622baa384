"""Gryphon's backbone: in each layer S5 blocks, then BigBird blocks."""

from genomelm.models.backbone import Block
from genomelm.models.config import GryphonBackboneConfig, ShellConfig
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.s5 import S5Operator


def gryphon_blocks(shell: ShellConfig, config: GryphonBackboneConfig) -> list[Block]:
    """Return the blocks. The S5's target length is the shell's, in patches of eight."""
    target, both = max(shell.target_length // 8, 32), shell.objective == "masked"
    blocks: list[Block] = []
    attending = 0  # each BigBird block has random blocks of its own
    for _ in range(config.layers):
        for _ in range(config.s5_blocks_per_layer):
            blocks.append(Block(shell.width, config.hidden, S5Operator(shell.width, config.state, target, both)))
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
                rotary_base=4.0 * max(shell.target_length, 1024),
                bidirectional=both,
            )
            blocks.append(Block(shell.width, config.hidden, attention))
            attending += 1
    return blocks
