"""Hyena-GLT's backbone: a striped layout of operators over patch states."""

from torch import nn

from genomelm.models.backbone import Block
from genomelm.models.config import HyenaConfig, PositionConfig, ShellConfig
from genomelm.nn.attention import SlidingAttention
from genomelm.nn.hyena import HyenaOperator


def hyena_blocks(shell: ShellConfig, positions: PositionConfig, config: HyenaConfig) -> list[Block]:
    """Return the blocks: the layout's operators in turn, over and over.

    Filters count lags in patches: their target length is the shell's, in patches of eight.
    """
    letters = (config.layout[layer % len(config.layout)] for layer in range(config.layers))
    return [Block(shell.width, config.hidden, _mixer(letter, shell, positions, config)) for letter in letters]


def _mixer(letter: str, shell: ShellConfig, positions: PositionConfig, config: HyenaConfig) -> nn.Module:
    """Return the operator that a letter of the layout stands for."""
    both = shell.objective == "masked"
    if letter == "A":
        base = positions.rotary_base(shell.target_length)
        return SlidingAttention(shell.width, config.heads, config.window, base, both, config.output_gate)
    kind = {"S": "short", "M": "medium", "L": config.long}[letter]
    return HyenaOperator(
        shell.width,
        config.order,
        max(shell.target_length // 8, 8),
        both,
        kind=kind,
        taps=config.short_taps if letter == "S" else config.medium_taps,
        poles=config.poles,
        groups=config.groups,
        output_gate=config.output_gate,
        target_bases=shell.target_length if config.base_distance and letter == "L" else 0,
    )
