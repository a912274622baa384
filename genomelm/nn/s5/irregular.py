"""The recurrence with an exponent for each row: x[t] = exp(z[t]) x[t-1] + inputs[t]."""

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from genomelm.nn.s5.portable import path_of

CHUNK = 16
"""Rows that are gone through one by one, in all chunks side by side."""


def per_row(table: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Look up each row's length: (n, lengths) by (b, p) -> (n, b, p); longer ones take the table's last entry."""
    return F.embedding(lengths.clamp_max(table.shape[1] - 1), table.T).permute(2, 0, 1)


def scan_rows(
    inputs: torch.Tensor, decay: torch.Tensor, turn: torch.Tensor, state: torch.Tensor | None = None
) -> torch.Tensor:
    """Scan by chunks; time and memory are linear in p.

    Args:
        inputs: (n, 2, b, p) float32, real and imaginary part.
        decay, turn: (n, b, p) float64, z; they are added up over chunks before exp is taken, as products of rounded
            factors would turn a state of long memory by a wrong angle.
        state: (n, 2, b) float32, x[-1]; None is zero.

    Returns:
        (n, 2, b, p) float32, the states.
    """
    if state is not None:
        first = inputs[..., 0] + _times(_factor(decay[..., 0], turn[..., 0]), state)
        inputs = torch.cat([first[..., None], inputs[..., 1:]], -1)
    return _ScanRows.apply(inputs, decay, turn)


class _ScanRows(torch.autograd.Function):
    """The gradient of a scan is the scan of the gradient, the other way round and turning back."""

    @staticmethod
    def forward(ctx, inputs, decay, turn):
        if path_of(inputs) == "triton":
            from genomelm.nn.s5 import irregular_kernel

            inputs, decay, turn = inputs.contiguous(), decay.contiguous(), turn.contiguous()
            states = irregular_kernel.scan_rows(inputs, decay, turn)
        else:
            states = _chunked(inputs, decay, turn)
        ctx.save_for_backward(inputs, states, decay, turn)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        inputs, states, decay, turn = ctx.saved_tensors
        if path_of(inputs) == "triton":
            from genomelm.nn.s5 import irregular_kernel

            return irregular_kernel.gradients(upstream.contiguous(), inputs, states, decay, turn)
        # Row t hands its state on by the exponent of row t + 1.
        after, back = (F.pad(part[..., 1:], (0, 1)).flip(-1) for part in (decay, -turn))
        gradient = _chunked(upstream.flip(-1), after, back).flip(-1)
        real, imaginary = gradient.unbind(1)
        along, across = (states - inputs).unbind(1)  # exp(z) x[t-1], whose derivative by z is itself
        by_decay, by_turn = real * along + imaginary * across, imaginary * along - real * across
        return gradient, by_decay.to(decay.dtype), by_turn.to(turn.dtype)


def _chunked(inputs: torch.Tensor, decay: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    p = inputs.shape[-1]
    chunk = min(CHUNK, p)
    count = -(-p // chunk)
    rows, decay, turn = (F.pad(x, (0, count * chunk - p)).unflatten(-1, (count, chunk)) for x in (inputs, decay, turn))
    factors = _factor(decay, turn).unbind(-1)  # (n, 2, b, count) each
    states = list(rows.unbind(-1))
    for row in range(1, chunk):
        states[row] = states[row] + _times(factors[row], states[row - 1])
    if count > 1:
        decay, turn = decay.cumsum(-1), turn.cumsum(-1)
        handed = F.pad(states[-1][..., :-1], (1, 0))
        whole = (F.pad(x[..., :-1, -1], (1, 0)) for x in (decay, turn))  # exponent of the chunk before
        carried = _chunked(handed, *whole)
        factors = _factor(decay, turn).unbind(-1)
        states = [state + _times(factor, carried) for state, factor in zip(states, factors, strict=True)]
    return torch.stack(states, -1).flatten(-2)[..., :p]


def _factor(decay: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Return exp(z): (n, ...) float64 -> (n, 2, ...) float32."""
    size = decay.exp()
    return torch.stack([size * turn.cos(), size * turn.sin()], 1).float()


def _times(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Multiply pairs: (n, 2, ...) by (n, 2, ...)."""
    return torch.stack([a[:, 0] * b[:, 0] - a[:, 1] * b[:, 1], a[:, 0] * b[:, 1] + a[:, 1] * b[:, 0]], 1)
