"""Floating-point operations of a Hyena-GLT language model, counted from its weights and the shapes of a batch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.nn.hyena import HyenaOperator, ImplicitFilter
from genomelm.nn.shortconv import ShortConv

BACKWARD = 2
"""The backward pass as a multiple of the forward pass: one product for the inputs' gradient, one for the weights'."""


@dataclass(frozen=True)
class Cost:
    """What a batch costs: each byte runs through the shell, each patch through the backbone.

    flops = 2 (byte b l + letters b (l - 1) + place l + patch p + null b + lag L) + 2.5 n log2(n) c (2 b + 1), n = 2 L,
    for b rows of l bytes, with p patches in all, of which the longest row has L. Products of matrices, convolutions
    and the FFTs (half of 5 n log2 n each, as they are real) are counted; element-wise work is not.

    Attributes:
        byte, letters, place, patch, null, lag: weights that are met by a byte, a predicted byte, a place in the rows
            (its phases, computed once for all rows), a patch, a row's null patch and a lag of the filters.
        channels: c, channels of all long convolutions together.
    """

    byte: int
    letters: int
    place: int
    patch: int
    null: int
    lag: int
    channels: int

    def forward(self, rows: int, length: int, patches: int, longest: int, fft: bool = True) -> float:
        """Return the operations of a forward pass with its loss.

        Args:
            rows: b.
            length: l, bytes of each row, BOS included.
            patches: p, patches of all rows together; those that only pad a batch are not counted.
            longest: L, patches of the longest row.
            fft: count the FFTs too.
        """
        met = self.byte * rows * length + self.letters * rows * (length - 1) + self.place * length
        met += self.patch * patches + self.null * rows + self.lag * longest
        size = 2 * longest
        transforms = 2.5 * size * math.log2(size) * self.channels * (2 * rows + 1) if fft else 0.0
        return 2.0 * met + transforms

    def step(self, rows: int, length: int, patches: int, longest: int) -> float:
        """Return the operations of a training step, in the terms of `forward`."""
        return (1 + BACKWARD) * self.forward(rows, length, patches, longest)


def cost_of(model: GenomeModel) -> Cost:
    """Count a causal Hyena-GLT language model's weights by what meets them.

    Raises:
        UsageError: a model of another family.
    """
    shell, operators = model.shell, [m for m in model.shell.backbone.modules() if isinstance(m, HyenaOperator)]
    if not operators or model.head_kind != "causal_lm":
        raise UsageError(f"operations are counted for causal Hyena-GLT models only, not {type(model).__name__}")
    pooling, reading = shell.pooling, shell.reading
    lag = _weights(operator.filter for operator in operators)
    return Cost(
        byte=_weights((shell.encoder, shell.decoder, pooling.key, pooling.value, reading.query, reading.out)),
        letters=model.head.out.in_features * len(model.head.letters),
        place=_weights([shell.phase]),
        patch=_weights((pooling.query, pooling.out, pooling.length, reading.key, reading.value))
        + _weights([shell.backbone])
        - lag,
        null=_weights((reading.key, reading.value)),
        lag=lag,
        channels=sum(_channels(operator.filter) for operator in operators),
    )


def _weights(modules: Iterable[nn.Module]) -> int:
    """Return how many weights of matrices and short convolutions stand in `modules`: products a row."""
    found = (part for module in modules for part in module.modules())
    return sum(part.weight.numel() for part in found if isinstance(part, (nn.Linear, ShortConv)))


def _channels(implicit: ImplicitFilter) -> int:
    return implicit.out.out_features
