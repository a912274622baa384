"""Depthwise correlation with few taps, in one place for every device, with a backward pass of its own."""

import importlib.util

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

TRITON = importlib.util.find_spec("triton") is not None
MOST = 14
"""Taps that oneDNN convolves in bf16; with more, torch 2.13's does not come to an end."""


def depthwise(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, back: int, ahead: int, dilation: int = 1
) -> torch.Tensor:
    """Correlate each channel with its own taps, in autocast's dtype where that is on.

    Args:
        x: (b, p, d).
        weight: (d, 1, 1, k); tap j of row t reads row t - back + j * dilation.
        bias: (d,) or None.
        back, ahead: rows of zeros before the first and after the last row of x.
        dilation: rows between two taps.

    Returns:
        (b, p + back + ahead - dilation * (k - 1), d).
    """
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    with torch.autocast(device, enabled=False):
        bias = None if bias is None else bias.to(dtype)
        return Depthwise.apply(x.to(dtype), weight.to(dtype), bias, back, ahead, dilation)


class Depthwise(torch.autograd.Function):
    """The convolution with a backward pass of its own: torch's takes 4 to 17 times as long on a CPU.

    The gradient of the signal is the convolution with the mirrored filter, which runs as fast as the forward
    pass; a tap's gradient is the product of the signal, shifted by its lag, with the output's gradient.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, back, ahead, dilation):
        ctx.save_for_backward(x, weight)
        ctx.layout = (back, ahead, dilation)
        return _convolve(x, weight, bias, back, ahead, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        back, ahead, dilation = ctx.layout
        taps = weight.shape[-1]
        reach = dilation * (taps - 1)
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_x = _convolve(gradient, weight.flip(-1), None, reach - back, reach - ahead, dilation)
        if path_of(x) == "triton":
            from genomelm.nn.shortconv import kernel

            if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
                of_weight, of_bias = kernel.filter_gradients(x, gradient, taps, back, dilation)
            return of_x, of_weight, of_bias if ctx.needs_input_grad[2] else None, None, None, None
        if ctx.needs_input_grad[1]:
            padded, length = F.pad(x, (0, 0, back, ahead)), gradient.shape[1]
            each = [(gradient * padded[:, tap * dilation : tap * dilation + length]).sum((0, 1)) for tap in range(taps)]
            of_weight = torch.stack(each, -1)[:, None, None]
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 1))
        return of_x, of_weight, of_bias, None, None, None


def path_of(x: torch.Tensor) -> str:
    """Return which form convolves x: "triton" on CUDA where Triton is installed (not in float64), else "torch"."""
    fits = x.is_cuda and x.dtype in (torch.float32, torch.bfloat16, torch.float16)
    return "triton" if fits and TRITON else "torch"


def _convolve(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, back: int, ahead: int, dilation: int
) -> torch.Tensor:
    """Pad and correlate, the way that suits the device."""
    if path_of(x) == "triton":
        from genomelm.nn.shortconv import kernel

        return kernel.correlate(x, weight, bias, back, ahead, dilation)
    padded = F.pad(x, (0, 0, back, ahead)) if back or ahead else x
    if x.device.type == "cpu" and x.dtype != torch.float32 and weight.shape[-1] > MOST:
        return by_rows(padded, weight, bias, dilation)
    # cuDNN prepares each new shape for some 18 ms, and texts differ in their number of patches.
    with torch.backends.cudnn.flags(enabled=False):
        return by_library(padded, weight, bias, dilation)


def by_library(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, dilation: int) -> torch.Tensor:
    """Run as a two-dimensional convolution of height 1: the transposed signal is in channels-last order as it lies,
    which spares the copies of conv1d (on a CPU about a third of its time)."""
    y = F.conv2d(x.transpose(1, 2).unsqueeze(2), weight, bias, groups=x.shape[-1], dilation=(1, dilation))
    return y.squeeze(2).transpose(1, 2)


def by_rows(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, dilation: int) -> torch.Tensor:
    """Run as a sum of shifted rows, one pass over memory a tap."""
    taps = weight[:, 0, 0].T  # (k, d)
    length = x.shape[1] - dilation * (len(taps) - 1)
    y = x[:, :length] * taps[0] if bias is None else torch.addcmul(bias, x[:, :length], taps[0])
    for tap in range(1, len(taps)):
        y.addcmul_(x[:, tap * dilation : tap * dilation + length], taps[tap])
    return y
