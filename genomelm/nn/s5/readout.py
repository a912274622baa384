"""From inputs to what is read of the states, keeping at most one row of states a chunk for the backward pass."""

import torch
from torch.autograd.function import once_differentiable

from genomelm.nn.s5.portable import path_of, scan


def read_out(
    u: torch.Tensor,
    into: torch.Tensor,
    decay: torch.Tensor,
    turn: torch.Tensor,
    out: torch.Tensor,
    ahead: torch.Tensor | None = None,
    carry: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return y = out^T x over x[t] = exp(z) x[t-1] + into u[t], in pairs of real and imaginary parts.

    The backward pass makes the inputs anew, and the states of a chunk from the state that it begins with.

    Args:
        u: (b, p, d) float32.
        into: (2n, d) float32, rows of a state's two parts beside each other.
        decay, turn: (n,) float64, z.
        out: (2n, d) float32, of the scan from the first row on.
        ahead: (2n, d) float32, of the scan from the last row on, which counts from lag 1; None: there is none.
        carry: (n, 2, b) float32, exp(z) x[-1]; None is zero.

    Returns:
        y: (b, p, d) float32.
        state: (n, 2, b) float32, x of the last row.
    """
    if path_of(u) == "triton":
        from genomelm.nn.s5 import kernel

        return kernel.ReadOut.apply(u, into, decay, turn, out, ahead, carry)
    return _ReadOut.apply(u, into, decay, turn, out, ahead, carry)


class _ReadOut(torch.autograd.Function):
    """The gradient of a scan is the scan of the gradient, the other way round and turning back."""

    @staticmethod
    def forward(ctx, u, into, decay, turn, out, ahead, carry):
        ctx.both = ahead is not None
        inputs, ahead_carried = _inputs(u, into), None
        if ctx.both:
            behind, ahead_carried = scan(inputs, decay, turn, True)
            y = (behind - inputs).flatten(0, 1).flatten(1).T @ ahead
        if carry is not None:
            inputs[..., 0] += carry
        states, carried = scan(inputs, decay, turn)
        first = states.flatten(0, 1).flatten(1).T @ out
        y = first + y if ctx.both else first
        ctx.save_for_backward(u, into, decay, turn, out, ahead, carry, carried, ahead_carried)
        return y.view(u.shape), states[..., -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, of_y, of_state):
        u, into, decay, turn, out, ahead, carry, carried, ahead_carried = ctx.saved_tensors
        with torch.autocast(u.device.type, enabled=False):
            of_y = of_y.reshape(-1, of_y.shape[-1])
            inputs = _inputs(u, into)
            of_inputs, of_exponent, of_ahead = 0, 0, None
            if ctx.both:
                states, _ = scan(inputs, decay, turn, True, ahead_carried)
                later = states - inputs
                of_ahead = later.flatten(0, 1).flatten(1) @ of_y
                upstream = (ahead @ of_y.T).view_as(inputs)
                gradient, _ = scan(upstream, decay, -turn)
                of_inputs, of_exponent = gradient - upstream, _by_exponent(gradient, later)
            if carry is not None:
                inputs[..., 0] += carry
            states, _ = scan(inputs, decay, turn, False, carried)
            of_out = states.flatten(0, 1).flatten(1) @ of_y
            upstream = (out @ of_y.T).view_as(inputs)
            upstream[..., -1] += of_state
            gradient, _ = scan(upstream, decay, -turn, True)
            of_decay, of_turn = (of_exponent + _by_exponent(gradient, states - inputs)).to(decay.dtype)
            of_inputs = (of_inputs + gradient).flatten(0, 1).flatten(1)
            of_u = (of_inputs.T @ into).view(u.shape)
            of_into = of_inputs @ u.reshape(-1, u.shape[-1])
            of_carry = None if carry is None else gradient[..., 0]
        return of_u, of_into, of_decay, of_turn, of_out, of_ahead, of_carry


def _inputs(u: torch.Tensor, into: torch.Tensor) -> torch.Tensor:
    b, p, d = u.shape
    return (into @ u.reshape(b * p, d).T).view(-1, 2, b, p)


def _by_exponent(gradient: torch.Tensor, carried: torch.Tensor) -> torch.Tensor:
    """Return the gradients of decay and turn, (2, n): exp(z) x[t-1], which is carried, is its own derivative by z."""
    real, imaginary = gradient.unbind(1)
    along, across = carried.unbind(1)
    by_decay = (real * along + imaginary * across).sum((1, 2))
    return torch.stack([by_decay, (imaginary * along - real * across).sum((1, 2))])
