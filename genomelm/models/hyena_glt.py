"""Hyena-GLT's backbone: a striped layout of operators over patch states."""

from genomelm.models.backbone import Block
from genomelm.models.config import HyenaConfig, ShellConfig
from genomelm.nn.hyena import HyenaOperator


def hyena_blocks(shell: ShellConfig, config: HyenaConfig) -> list[Block]:
    """Return the blocks. Filters count lags in patches: their target length is the shell's, in patches of eight."""
    target, both = max(shell.target_length // 8, 8), shell.objective == "masked"
    return [
        Block(shell.width, config.hidden, HyenaOperator(shell.width, config.order, target, both))
        for _ in range(config.layers)
    ]
