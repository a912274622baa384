"""Short explicit convolution, one filter a channel, causal or centred."""

import torch
from torch import nn

from genomelm.nn.shortconv.convolution import depthwise


class ShortConv(nn.Module):
    """Depthwise convolution with `taps` taps, `dilation` rows apart.

    Causal: the last tap is lag 0. Centred: the middle tap is (of an even number, the later of the two).
    """

    def __init__(self, width: int, taps: int, dilation: int = 1, centred: bool = False) -> None:
        super().__init__()
        self.dilation = dilation
        self.ahead = dilation * ((taps - 1) // 2) if centred else 0
        self.weight = nn.Parameter(torch.empty(width, 1, 1, taps))
        self.bias = nn.Parameter(torch.zeros(width))
        nn.init.normal_(self.weight, std=taps**-0.5)

    @property
    def reach(self) -> int:
        """Rows between the first and the last that an output row reads."""
        return self.dilation * (self.weight.shape[-1] - 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve (b, p, d) along p.

        Row t sees `taps` rows, `dilation` apart: causal up to t itself, centred on both sides of t.
        """
        return depthwise(x, self.weight, self.bias, self.reach - self.ahead, self.ahead, self.dilation)

    def initial_state(self, batch: int) -> torch.Tensor:
        """Return the rows before the first, of the causal form: (b, reach, d) zeros."""
        return self.weight.new_zeros(batch, self.reach, len(self.weight))

    def extend(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Convolve rows that follow those behind `state`; causal form only.

        Args:
            x: (b, k, d), without padding.
            state: (b, reach, d), from `initial_state` or an earlier call.

        Returns:
            y: (b, k, d).
            state: (b, reach, d), the last rows, in memory of their own.
        """
        assert not self.ahead, "a centred convolution reads rows that have not come yet"
        rows = torch.cat([state, x], 1)
        if x.shape[1] == 1:  # setting a convolution up would cost several times its few products
            y = (rows[:, :: self.dilation] * self.weight[:, 0, 0].T).sum(1, keepdim=True) + self.bias
            return y.to(x.dtype), rows[:, 1:]
        return depthwise(rows, self.weight, self.bias, 0, 0, self.dilation), rows[:, x.shape[1] :].clone()
