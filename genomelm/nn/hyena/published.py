"""The Hyena operator of order 2 as HyenaDNA was published with it (Nguyen et al. 2023, arXiv:2306.15794).

It differs from the operator beside it in its filter, whose lags are counted in shares of a longest length, and in
its biases. Checkpoints of HyenaDNA run in it as they are.
"""

import math

import torch
from torch import nn

from genomelm.nn.fftconv import causal_conv
from genomelm.nn.shortconv import ShortConv


class PublishedFilter(nn.Module):
    """Taps as a function of the lag's share of the longest length that the filter was made for.

    taps(lag) = network(features(lag)) * (exp(-decay * t) + shift), with t = lag / (longest - 1). Features are t, then
    cosines, then negative sines of `bands` frequencies from 1e-4 to bands - 1 in turns a longest length. The network
    is three sine layers, of one learned frequency a hidden unit, and a linear one. Lags of `longest` and more have no
    taps: t > 1 was never trained, and there the shift alone would keep every tap alive.

    Args:
        channels: number of filters, d.
        longest: tokens that the filter was made for, 2 or more.
        features: 1 + 2 * bands, odd.
        hidden: width of the sine network.
        shift: floor of the window.
    """

    def __init__(self, channels: int, longest: int, features: int = 5, hidden: int = 64, shift: float = 0.05) -> None:
        super().__init__()
        self.longest, self.bands, self.shift = longest, (features - 1) // 2, shift
        self.layers = nn.ModuleList(nn.Linear(width, hidden) for width in (features, hidden, hidden))
        self.frequency = nn.Parameter(torch.full((hidden,), 10.0))
        self.out = nn.Linear(hidden, channels, bias=False)
        # The window falls to 1 % after 0.3 to 1.5 longest lengths.
        self.register_buffer("decay", math.log(100) * torch.linspace(1 / 1.5, 1 / 0.3, channels))

    def forward(self, length: int) -> torch.Tensor:
        """Return the taps of lags 0..min(length, longest)-1: (k, channels) float32."""
        with torch.autocast(self.decay.device.type, enabled=False):
            x = self.features(length)
            window = torch.exp(-x[:, :1] * self.decay) + self.shift
            for layer in self.layers:
                x = torch.sin(self.frequency * layer(x))
            return self.out(x) * window

    def features(self, length: int) -> torch.Tensor:
        """Return the network's input: (min(length, longest), 1 + 2 * bands) float32."""
        lag = torch.arange(min(length, self.longest), device=self.decay.device, dtype=torch.float32)[:, None]
        turns = torch.linspace(1e-4, self.bands - 1, self.bands, device=lag.device)
        angle = turns * (2 * math.pi * lag / self.longest)
        return torch.cat([lag / (self.longest - 1), angle.cos(), -angle.sin()], 1)


class PublishedOperator(nn.Module):
    """y = out(x0 * (h * (x1 * v) + skip * (x1 * v))), with x0, x1, v the projections after a convolution of three taps.

    Args:
        width: d.
        implicit: the long filter h, of d channels.
    """

    def __init__(self, width: int, implicit: PublishedFilter) -> None:
        super().__init__()
        self.into = nn.Linear(width, 3 * width)
        self.short = ShortConv(3 * width, 3)
        self.filter = implicit
        self.skip = nn.Parameter(torch.ones(width))
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Mix along l: row i from rows <= i.

        Args:
            x: (b, l, d).
            present: (b, l, 1) bool; rows that are not are as if they were not there, save for their place.

        Returns:
            (b, l, d).
        """
        gate, inner, value = self.short(self.into(x).masked_fill(~present, 0)).chunk(3, -1)
        value = (value * inner).masked_fill(~present, 0)
        mixed = causal_conv(value, self.filter(x.shape[1]))
        return self.out(gate * (mixed + self.skip * value))
