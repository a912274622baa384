"""The Hyena operator of order N: short convolutions, gates and long implicit convolutions."""

import torch
from torch import nn

from genomelm.nn.fftconv import causal_conv
from genomelm.nn.hyena.filter import ImplicitFilter
from genomelm.nn.shortconv import ShortConv


class HyenaOperator(nn.Module):
    """Causal Hyena: project to N+1 streams, then gate and long-convolve N-1 times, gate once more.

    For order 2: y = out(x1 * (h * (x2 * v) + skip * (x2 * v))), with x1, x2, v the projections
    after a depthwise convolution of three taps.

    Args:
        width: d.
        order: N >= 2.
        target_length: tokens that the filters are meant to reach.
    """

    def __init__(self, width: int, order: int = 2, target_length: int = 1024) -> None:
        super().__init__()
        self.order = order
        self.into = nn.Linear(width, (order + 1) * width, bias=False)
        self.short = ShortConv((order + 1) * width, 3)
        self.filter = ImplicitFilter((order - 1) * width, target_length)
        self.skip = nn.Parameter(torch.ones(order - 1, width))
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix (b, p, d) along p causally."""
        *gates, value = self.short(self.into(x)).chunk(self.order + 1, -1)
        # Interleaved, so that each of the filters has decays over the whole range.
        taps = self.filter(x.shape[1]).unflatten(-1, (-1, self.order - 1)).unbind(-1)  # (p, d) each
        for gate, kernel, skip in zip(gates[1:], taps, self.skip, strict=True):
            value = value * gate
            value = causal_conv(value, kernel) + skip * value
        return self.out(gates[0] * value)
