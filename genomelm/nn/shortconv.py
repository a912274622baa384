"""Short explicit causal convolution, one filter a channel."""

import torch
import torch.nn.functional as F
from torch import nn


class ShortConv(nn.Module):
    """Depthwise causal convolution with `taps` taps, `dilation` rows apart (the last tap is lag 0).

    It runs as a two-dimensional convolution of height 1: the transposed input is then in
    channels-last order as it lies, which spares the copies of conv1d (on a CPU about a third of
    its time).
    """

    def __init__(self, width: int, taps: int, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        self.weight = nn.Parameter(torch.empty(width, 1, 1, taps))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.weight, std=taps**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve (b, p, d) along p; row t sees rows t, t - dilation, ... back to t - dilation*(taps-1)."""
        back = self.dilation * (self.weight.shape[-1] - 1)
        flat = F.pad(x, (0, 0, back, 0)).transpose(1, 2).unsqueeze(2)  # (b, d, 1, p + back)
        y = F.conv2d(flat, self.weight, self.bias, groups=x.shape[-1], dilation=(1, self.dilation))
        return y.squeeze(2).transpose(1, 2)
