"""Operations of a causal Hyena-GLT, counted by what meets each weight: a formula that is quick at every step.

`models.dry_run` counts any model; this one tells ragged batches apart, whose padding is not counted.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.nn.hyena import HyenaOperator
from genomelm.nn.shortconv import ShortConv

BACKWARD = 2
"""The backward pass as a multiple of the forward pass: one product for the inputs' gradient, one for the weights'."""


@dataclass(frozen=True)
class Cost:
    """What a batch costs: each byte runs through the shell, each patch through the backbone.

    flops = 2 (byte b l + place l + patch p + null b + lag L) + 2.5 n log2(n) c (2 b + 1), n = 2 L,
    for b rows of l bytes, with p patches in all, of which the longest row has L. Products of matrices, convolutions
    and the FFTs (half of 5 n log2 n each, as they are real) are counted; element-wise work is not.

    Attributes:
        byte, place, patch, null, lag: weights that are met by a byte, a place in the rows (its phases, computed once
            for all rows), a patch, a row's null patch and a lag of the filters.
        channels: c, channels of all long convolutions together.
    """

    byte: int
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
        met = self.byte * rows * length + self.place * length
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
        UsageError: a model of another family, or with other parts than the formula has.
    """
    if model.head_kind != "causal_lm" or model.config.model_type != "genomelm_hyena_glt":
        raise UsageError(f"operations are counted for causal Hyena-GLT models only, not {type(model).__name__}")
    shell, backbone = model.shell, model.shell.backbone
    operators = [block.mixer for block in backbone.blocks]
    plain = all(isinstance(o, HyenaOperator) and o.kind == "implicit" and not o.distance for o in operators)
    if not plain or backbone.mergers or shell.motif is not None or shell.structure is not None:
        raise UsageError(
            "the formula for operations has implicit filters that count patches, no merging and no branches: set "
            "backbone.layout to L, backbone.long to implicit, and what else differs from the defaults back"
        )
    pooling, reading = shell.pooling, shell.reading
    lag = _weights(operator.filter for operator in operators)
    return Cost(
        byte=_weights((shell.encoder, shell.decoder, pooling.key, pooling.value, reading.query, reading.out))
        + model.head.out.in_features * len(model.head.letters),
        place=_weights([shell.phase]),
        patch=_weights((pooling.query, pooling.out, pooling.length, reading.key, reading.value))
        + _weights([backbone])
        - lag,
        null=_weights((reading.key, reading.value)),
        lag=lag,
        channels=sum(operator.skip.numel() for operator in operators),
    )


def _weights(modules: Iterable[nn.Module | None]) -> int:
    """Return how many weights of matrices and short convolutions stand in `modules`: products a row."""
    found = (part for module in modules if module is not None for part in module.modules())
    return sum(part.weight.numel() for part in found if isinstance(part, (nn.Linear, ShortConv)))
