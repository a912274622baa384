"""Explicit filters, short and medium: the taps themselves are learned."""

import math

import torch
from torch import nn

from genomelm.nn.hyena.banded import banded_conv
from genomelm.nn.shortconv import depthwise, path_of

FEW = 13
"""So many taps are summed one by one in any dtype and on every device; a CPU does so with more, in float32."""


class ExplicitTaps(nn.Module):
    """Taps of neighbouring lags, lag 0 first.

    They start as noise of unit energy that decays over the lags: e-folds are log-spaced over the channels, from 2
    tokens to the number of taps.

    Args:
        channels: d.
        taps: k.
    """

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        folds = torch.logspace(math.log10(2), math.log10(max(2, taps)), channels)
        window = torch.exp(-torch.arange(taps)[:, None] / folds)
        self.weight = nn.Parameter(torch.randn(taps, channels) * window / window.square().sum(0).sqrt())

    def forward(self, length: int) -> torch.Tensor:
        """Return the taps (k, d), whatever the length."""
        return self.weight


def explicit_conv(signal: torch.Tensor, lags: torch.Tensor, back: int, ahead: int) -> torch.Tensor:
    """Convolve with taps at neighbouring lags, the way that suits their number and the device.

    Args:
        signal: (b, p, d).
        lags: (m, d), tap of the most negative lag first.
        back, ahead: rows of zeros before the first and after the last row of the signal.

    Returns:
        (b, p + back + ahead - m + 1, d).
    """
    plain = signal.device.type == "cpu" and signal.dtype == torch.float32
    if len(lags) <= FEW or plain or path_of(signal) == "triton":
        return depthwise(signal, lags.flip(0).T[:, None, None], None, back, ahead)
    return banded_conv(signal, lags, back, ahead)
