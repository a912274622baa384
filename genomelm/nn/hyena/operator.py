"""The Hyena operator of order N: short convolutions, gates and long implicit convolutions."""

import torch
from torch import nn

from genomelm.nn.fftconv import causal_conv, two_sided_conv
from genomelm.nn.hyena.filter import ImplicitFilter
from genomelm.nn.rows import Rows
from genomelm.nn.shortconv import ShortConv


class HyenaOperator(nn.Module):
    """Project to N+1 streams, then gate and long-convolve N-1 times, gate once more.

    For order 2: y = out(x1 * (h * (x2 * v) + skip * (x2 * v))), with x1, x2, v the projections
    after a depthwise convolution of three taps. The bidirectional form centres the short
    convolutions and gives each long one a second implicit filter for the rows ahead.

    Args:
        width: d.
        order: N >= 2.
        target_length: tokens that the filters are meant to reach.
        bidirectional: rows see later rows too.
    """

    def __init__(self, width: int, order: int = 2, target_length: int = 1024, bidirectional: bool = False) -> None:
        super().__init__()
        self.order = order
        self.into = nn.Linear(width, (order + 1) * width, bias=False)
        self.short = ShortConv((order + 1) * width, 3, centred=bidirectional)
        self.filter = ImplicitFilter((order - 1) * width, target_length)
        self.skip = nn.Parameter(torch.ones(order - 1, width))
        self.out = nn.Linear(width, width, bias=False)
        # Its parameters too are named `.filter.`, by which the optimizer knows those of filters.
        self.ahead = nn.ModuleDict()
        if bidirectional:
            self.ahead["filter"] = ImplicitFilter((order - 1) * width, target_length)

    def forward(self, x: torch.Tensor, rows: Rows | None = None) -> torch.Tensor:
        """Mix along p.

        Args:
            x: (b, p, d).
            rows: geometry; None means no padding. The bidirectional form sets padding to zero before
                each convolution; the causal form never sees it, as padding stands at the right.

        Returns:
            (b, p, d).
        """
        padding = None if rows is None or not self.ahead else ~rows.present[..., None]
        streams = self.into(x)
        if padding is not None:
            streams = streams.masked_fill(padding, 0)
        *gates, value = self.short(streams).chunk(self.order + 1, -1)
        taps = self._taps(self.filter, x.shape[1])
        back_taps = self._taps(self.ahead["filter"], x.shape[1]) if self.ahead else [None] * len(taps)
        for gate, behind, ahead, skip in zip(gates[1:], taps, back_taps, self.skip, strict=True):
            value = value * gate
            if padding is not None:
                value = value.masked_fill(padding, 0)
            mixed = causal_conv(value, behind) if ahead is None else two_sided_conv(value, behind, ahead)
            value = mixed + skip * value
        return self.out(gates[0] * value)

    def _taps(self, implicit: ImplicitFilter, length: int) -> list[torch.Tensor]:
        """Return the taps of each long convolution: (length, d) each.

        They are interleaved, so that each of the convolutions has decays over the whole range.
        """
        return list(implicit(length).unflatten(-1, (-1, self.order - 1)).unbind(-1))
