"""Convolution with few taps as products of matrices: a window of rows times each channel's Toeplitz matrix."""

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from genomelm.nn.frames import frames

CHUNK = 64
"""Rows that one product makes."""


def banded_conv(signal: torch.Tensor, lags: torch.Tensor, back: int, ahead: int) -> torch.Tensor:
    """Convolve each channel with its own taps, all at neighbouring lags.

    Args:
        signal: (b, p, d), any float dtype, in which the products run.
        lags: (m, d), tap of the most negative lag first.
        back, ahead: rows of zeros before the first and after the last row of the signal. With the lags -ahead..back,
            m = back + ahead + 1, there are as many rows as the signal has; without zeros only those that see m rows.

    Returns:
        (b, p + back + ahead - m + 1, d) in the signal's dtype.
    """
    with torch.autocast(signal.device.type, enabled=False):
        return _Banded.apply(signal, lags, back, ahead)


def lag_matrix(lags: torch.Tensor, columns: int) -> torch.Tensor:
    """Return the Toeplitz matrix (d, m - 1 + c, c) of lags (d, m): a window of m - 1 + c rows times it is c rows.

    The first tap belongs to the window's last row that an output row reads.
    """
    return frames(F.pad(lags, (columns - 1, columns - 1)), -1, columns, 1).flip(-2)


class _Banded(torch.autograd.Function):
    """Keeps the signal and the taps; windows and matrices, which are larger, are made again."""

    @staticmethod
    def forward(ctx, signal, lags, back, ahead):
        ctx.save_for_backward(signal, lags)
        ctx.layout = (back, ahead)
        return _convolve(signal, lags, back, ahead)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        signal, lags = ctx.saved_tensors
        back, ahead = ctx.layout
        reach = len(lags) - 1
        of_signal = of_lags = None
        if ctx.needs_input_grad[0]:
            of_signal = _convolve(gradient, lags.flip(0), reach - back, reach - ahead)
        if ctx.needs_input_grad[1]:
            chunk = min(CHUNK, gradient.shape[1])
            rows = _windows(gradient, 0, 0, chunk, chunk)
            products = _windows(signal, back, ahead, chunk + reach, chunk).transpose(1, 2) @ rows
            with torch.enable_grad():
                free = lags.detach().float().T.contiguous().requires_grad_()
                (of_lags,) = torch.autograd.grad(lag_matrix(free, chunk), free, products.float())
            of_lags = of_lags.T.to(lags.dtype)
        return of_signal, of_lags, None, None


def _convolve(signal: torch.Tensor, lags: torch.Tensor, back: int, ahead: int) -> torch.Tensor:
    reach = len(lags) - 1
    rows = signal.shape[1] + back + ahead - reach
    chunk = min(CHUNK, rows)
    matrix = lag_matrix(lags.T.to(signal.dtype), chunk)
    y = _windows(signal, back, ahead, chunk + reach, chunk) @ matrix  # (d, b * n, chunk)
    return y.view(len(y), len(signal), -1)[..., :rows].permute(1, 2, 0)


def _windows(signal: torch.Tensor, back: int, ahead: int, size: int, step: int) -> torch.Tensor:
    """Return windows of `size` rows, every `step` rows, over (b, p, d) and zeros around it: (d, b * n, size)."""
    count = -(-(signal.shape[1] + back + ahead - size) // step) + 1
    after = (count - 1) * step + size - back - signal.shape[1]
    windows = frames(F.pad(signal, (0, 0, back, after)), 1, size, step)  # (b, n, d, size)
    return windows.permute(2, 0, 1, 3).reshape(signal.shape[2], -1, size)
