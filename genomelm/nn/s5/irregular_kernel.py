"""The scan with an exponent for each row in Triton, for CUDA; see `kernel` for how it walks."""

import torch
import triton
import triton.language as tl

from genomelm.nn.s5.kernel import launch, walked


@triton.jit
def _factor(decay, turn, at, there):
    """exp(z) of some rows."""
    size, angle = tl.exp(tl.load(decay + at, there, 0.0)), tl.load(turn + at, there, 0.0)
    return size * tl.cos(angle), size * tl.sin(angle)


@triton.jit
def _scan_rows(x, decay, turn, y, p, b, TILE: tl.constexpr):
    """y[t] = exp(z[t]) y[t-1] + x[t]."""
    state, record = tl.program_id(0).to(tl.int64) // b, tl.program_id(0).to(tl.int64) % b
    first = 2 * state * b + record
    real, imaginary, exponents = first * p, (first + b) * p, tl.program_id(0).to(tl.int64) * p
    last_r, last_i = tl.full((), 0.0, tl.float64), tl.full((), 0.0, tl.float64)
    for step in range(tl.cdiv(p, TILE)):
        low = step * TILE
        rows = low + tl.arange(0, TILE)
        there = rows < p
        fr, fi = _factor(decay, turn, exponents + rows, there)
        xr = tl.load(x + real + rows, there, 0.0).to(tl.float64)
        xi = tl.load(x + imaginary + rows, there, 0.0).to(tl.float64)
        handed_r, handed_i = fr * last_r - fi * last_i, fr * last_i + fi * last_r
        leaves = rows == low + TILE - 1
        yr, yi, last_r, last_i = walked(xr, xi, fr, fi, handed_r, handed_i, rows == low, leaves, False)
        tl.store(y + real + rows, yr.to(tl.float32), there)
        tl.store(y + imaginary + rows, yi.to(tl.float32), there)


@triton.jit
def _gradient_rows(
    g, x, states, decay, turn, of_x, of_decay, of_turn, p, b, TILE: tl.constexpr
):  # fmt: skip
    """The gradients of `_scan_rows`, from the last row on."""
    state, record = tl.program_id(0).to(tl.int64) // b, tl.program_id(0).to(tl.int64) % b
    first = 2 * state * b + record
    real, imaginary, exponents = first * p, (first + b) * p, tl.program_id(0).to(tl.int64) * p
    last_r, last_i = tl.full((), 0.0, tl.float64), tl.full((), 0.0, tl.float64)
    tiles = tl.cdiv(p, TILE)
    for step in range(tiles):
        low = (tiles - 1 - step) * TILE
        rows = low + tl.arange(0, TILE)
        there = rows < p
        fr, fi = _factor(decay, turn, exponents + rows + 1, rows + 1 < p)  # row t hands on by the next one's exponent
        fi = -fi
        gr = tl.load(g + real + rows, there, 0.0).to(tl.float64)
        gi = tl.load(g + imaginary + rows, there, 0.0).to(tl.float64)
        handed_r, handed_i = fr * last_r - fi * last_i, fr * last_i + fi * last_r
        enters = rows == low + TILE - 1
        yr, yi, last_r, last_i = walked(gr, gi, fr, fi, handed_r, handed_i, enters, rows == low, True)
        tl.store(of_x + real + rows, yr.to(tl.float32), there)
        tl.store(of_x + imaginary + rows, yi.to(tl.float32), there)
        # exp(z) y[t-1], whose derivative by z is itself
        cr = tl.load(states + real + rows, there, 0.0) - tl.load(x + real + rows, there, 0.0)
        ci = tl.load(states + imaginary + rows, there, 0.0) - tl.load(x + imaginary + rows, there, 0.0)
        tl.store(of_decay + exponents + rows, yr * cr + yi * ci, there)
        tl.store(of_turn + exponents + rows, yi * cr - yr * ci, there)


def scan_rows(inputs: torch.Tensor, decay: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Return the states, (n, 2, b, p) float32; arguments as of `irregular.scan_rows`, on CUDA and contiguous."""
    n, _, b, p = inputs.shape
    states = torch.empty_like(inputs)
    launch(_scan_rows, inputs.view(2 * n, b * p), b, (inputs, decay, turn, states))
    return states


def gradients(
    upstream: torch.Tensor, inputs: torch.Tensor, states: torch.Tensor, decay: torch.Tensor, turn: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of inputs, decay and turn from that of the states; all are contiguous."""
    n, _, b, p = inputs.shape
    of_inputs, of_decay, of_turn = torch.empty_like(inputs), torch.empty_like(decay), torch.empty_like(turn)
    tensors = (upstream, inputs, states, decay, turn, of_inputs, of_decay, of_turn)
    launch(_gradient_rows, inputs.view(2 * n, b * p), b, tensors)
    return of_inputs, of_decay, of_turn
