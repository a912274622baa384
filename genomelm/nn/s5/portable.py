"""The diagonal recurrence in plain torch and real arithmetic: no complex numbers, no complex division.

A complex number is a pair, real then imaginary part. Every state has an exponent
z = lambda * step = decay + i turn, so its k-th power is exp(k decay) (cos(k turn) + i sin(k turn)).
"""

import importlib.util

import torch
import torch.nn.functional as F

TRITON = importlib.util.find_spec("triton") is not None
CHUNK = 16
"""Rows of a chunk: inside it the recurrence is one matrix product. 8 to 32 are equally fast on a CPU."""


def path_of(x: torch.Tensor) -> str:
    """Return which form scans: "triton" on CUDA where Triton is installed (float32 only), else "chunks"."""
    return "triton" if x.is_cuda and x.dtype == torch.float32 and TRITON else "chunks"


def hold(decay: torch.Tensor, turn: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Return the zero-order-hold factor of the input, (exp(z) - 1) / lambda = step * (exp(z) - 1) / z.

    The difference comes from expm1 and the half angle, as exp(z) - 1 itself loses its digits at
    small steps.

    Args:
        decay: (n,) < 0, real part of z.
        turn: (n,) imaginary part of z, radians.
        step: (n,) > 0.

    Returns:
        (n, 2) real and imaginary part, in the dtype of the arguments.
    """
    grown = torch.expm1(decay)
    real = grown * turn.cos() - 2 * (turn / 2).sin().square()
    imaginary = (grown + 1) * turn.sin()
    scale = step / (decay.square() + turn.square())
    return torch.stack([real * decay + imaginary * turn, imaginary * decay - real * turn], 1) * scale[:, None]


def powers(decay: torch.Tensor, turn: torch.Tensor, count: int) -> torch.Tensor:
    """Return exp(k z) for k = 0..count-1: (n, 2, count) float32, worked out in the dtype of the arguments."""
    k = torch.arange(count, device=decay.device, dtype=decay.dtype)
    size, angle = torch.exp(decay[:, None] * k), turn[:, None] * k
    return torch.stack([size * angle.cos(), size * angle.sin()], 1).float()


def scan(
    inputs: torch.Tensor,
    decay: torch.Tensor,
    turn: torch.Tensor,
    reverse: bool = False,
    carried: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Run x[t] = exp(z) x[t-1] + inputs[t] from x = 0 by chunks; time and memory are linear in p.

    Inside chunks it is a product with a Toeplitz matrix of powers, and over chunks the same with exponent chunk * z.

    Args:
        inputs: (n, 2, b, p) float32, real and imaginary part.
        decay, turn: (n,) float64; float32 would turn a state of long memory by a wrong angle.
        reverse: x[t] = exp(z) x[t+1] + inputs[t] instead.
        carried: what an earlier call gave for the same inputs: only the work inside chunks is then done again.

    Returns:
        states: (n, 2, b, p) float32.
        carried: (n, 2, b, p / CHUNK) float32, the states that each chunk begins with; None where there is one chunk.
    """
    n, _, b, p = inputs.shape
    chunk = min(CHUNK, p)
    count = -(-p // chunk)
    rows = F.pad(inputs, (0, count * chunk - p)).reshape(n, 2 * b * count, chunk)
    power = powers(decay, turn, chunk + 1)
    # Either part of the input times either part of the powers.
    products = torch.bmm(rows, _toeplitz(power[..., :chunk], reverse))
    parts = products.view(n, 2, b, count, 2, chunk)
    if count > 1:
        if carried is None:
            last = _add_up(parts[..., :1] if reverse else parts[..., -1:])[..., 0]  # of each chunk, (n, 2, b, count)
            handed = F.pad(last[..., 1:], (0, 1)) if reverse else F.pad(last[..., :-1], (1, 0))
            carried, _ = scan(handed, decay * chunk, turn * chunk, reverse)
        decline = power[..., 1:].flip(-1) if reverse else power[..., 1:]
        products.baddbmm_(carried.reshape(n, -1, 1), decline.reshape(n, 1, 2 * chunk))
    return _add_up(parts).view(n, 2, b, count * chunk)[..., :p], carried


def _add_up(parts: torch.Tensor) -> torch.Tensor:
    """Make (a + ib)(c + id) of its four products: (n, 2, b, c, 2, k) -> (n, 2, b, c, k)."""
    n, _, b, count, _, rows = parts.shape
    if torch.compiler.is_compiling():  # it fuses this, and takes no `out` that is a view
        real = parts[:, 0, ..., 0, :] - parts[:, 1, ..., 1, :]
        return torch.stack([real, parts[:, 0, ..., 1, :] + parts[:, 1, ..., 0, :]], 1)
    whole = parts.new_empty(n, 2, b, count, rows)
    torch.sub(parts[:, 0, ..., 0, :], parts[:, 1, ..., 1, :], out=whole[:, 0])
    torch.add(parts[:, 0, ..., 1, :], parts[:, 1, ..., 0, :], out=whole[:, 1])
    return whole


def _toeplitz(power: torch.Tensor, reverse: bool) -> torch.Tensor:
    """Return matrices whose entry (s, t) is power[t - s], or power[s - t]; zero elsewhere: (n, 2, k) -> (n, k, 2k)."""
    n, _, k = power.shape
    lag = torch.arange(k, device=power.device)
    lag = lag[:, None] - lag if reverse else lag - lag[:, None]
    matrix = F.pad(power, (0, 1))[..., torch.where(lag < 0, k, lag)]  # (n, 2, k, k)
    return matrix.transpose(1, 2).reshape(n, k, 2 * k)
