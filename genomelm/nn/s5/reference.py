"""The recurrence row by row in complex128: the oracle of S5."""

import math

import torch


def scan(inputs: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """Return x[t] = exp(z) x[t-1] + inputs[t].

    Args:
        inputs: (b, p, n) complex128.
        exponent: (n,) complex128, z, or (b, p, n), z of each row.

    Returns:
        (b, p, n) complex128.
    """
    x, rows = torch.zeros_like(inputs[:, 0]), []
    for row, factor in zip(inputs.unbind(1), torch.exp(exponent).expand_as(inputs).unbind(1), strict=True):
        x = factor * x + row
        rows.append(x)
    return torch.stack(rows, 1)


def state_space(
    u: torch.Tensor,
    log_decay: torch.Tensor,
    frequency: torch.Tensor,
    log_step: torch.Tensor,
    into: torch.Tensor,
    out: torch.Tensor,
    skip: torch.Tensor,
    out_ahead: torch.Tensor | None = None,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return y = 2 Re(C x) + D u, plus 2 Re(C' x') of the states that come from later rows.

    Args:
        u: (b, p, d).
        log_decay, frequency, log_step: (n,).
        into, out, out_ahead: (n, 2, d), real and imaginary part of B, C and C'.
        skip: (d,).
        lengths: (b, p) int64, bases of each row, for steps that are proportional to them, as far as the bound.

    Returns:
        (b, p, d) float64.
    """
    u = u.double()
    bound = torch.minimum(torch.tensor(0.1, dtype=torch.float64), 0.9 * math.pi / frequency.double().abs())
    step = 1 / (torch.exp(-log_step.double()) + 1 / bound)
    rate = torch.complex(-log_decay.double().exp(), frequency.double())
    if lengths is not None:
        step = torch.minimum(step * lengths[..., None].clamp_max(64) / 8, bound)  # (b, p, n)
    held = (torch.exp(rate * step) - 1) / rate
    inputs = torch.einsum("bpd,nd->bpn", u.to(held.dtype), _complex(into)) * held
    y = 2 * torch.einsum("bpn,nd->bpd", scan(inputs, rate * step), _complex(out)).real + skip.double() * u
    if out_ahead is not None:
        exponent = rate * step if lengths is None else (rate * step).flip(1)
        later = scan(inputs.flip(1), exponent).flip(1) - inputs  # lag 0 is the forward scan's
        y = y + 2 * torch.einsum("bpn,nd->bpd", later, _complex(out_ahead)).real
    return y


def _complex(pairs: torch.Tensor) -> torch.Tensor:
    return torch.complex(pairs[:, 0].double(), pairs[:, 1].double())
