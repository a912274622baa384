"""Pairs of channels turned by angles, with a backward pass that keeps nothing of the signal."""

import importlib.util

import torch

TRITON = importlib.util.find_spec("triton") is not None


def turned(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Turn channels c and c + d/2 of each row by the row's angle c; bf16 is turned in float32 and rounded once.

    Args:
        x: (..., h, d), d even.
        cosine, sine: (..., d/2) float32, without the dimension of the heads; leading dimensions may be left out where
            all of x's rows share them.

    Returns:
        (..., h, d), same dtype.
    """
    return Turning.apply(x, cosine, sine) if torch.is_grad_enabled() else _turn(x, cosine, sine)


class Turning(torch.autograd.Function):
    """The gradient of a rotation is the rotation back."""

    @staticmethod
    def forward(ctx, x, cosine, sine):
        ctx.save_for_backward(cosine, sine)
        return _turn(x, cosine, sine)

    @staticmethod
    def backward(ctx, gradient):
        cosine, sine = ctx.saved_tensors
        return Turning.apply(gradient, cosine, -sine), None, None


def _turn(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    if path_of(x, cosine) == "triton":
        from genomelm.nn.rotary import kernel

        return kernel.turn(x, cosine, sine)
    half = x.shape[-1] // 2
    cosine, sine = cosine[..., None, :], sine[..., None, :]
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], -1).to(x.dtype)


def path_of(x: torch.Tensor, cosine: torch.Tensor) -> str:
    """Return which form turns x: "triton" on CUDA where Triton is installed (not in float64), else "torch"."""
    leading = x.shape[:-2]
    fits = cosine.shape[:-1] == leading[len(leading) - cosine.dim() + 1 :]  # no row of the angles is broadcast
    fits = fits and x.is_cuda and x.dtype in (torch.float32, torch.bfloat16, torch.float16)
    return "triton" if fits and TRITON else "torch"
