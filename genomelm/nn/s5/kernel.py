"""The scan in Triton, for CUDA: one pass over memory, and no states are kept for the backward pass.

A program walks along one state of one record, a tile at a time. What is scanned inside a tile runs in float64: powers
that are multiplied up of a rounded factor would turn a state of long memory by a wrong angle.
"""

import torch
import triton
import triton.language as tl
from torch.autograd.function import once_differentiable

TILE = 2048
"""Rows of a tile at most."""
SMALLEST = 128
WARPS = 8
"""Of a whole tile."""


@triton.jit
def _joined(ar, ai, xr, xi, br, bi, yr, yi):
    """Two stretches of rows, factor and last state each, as one."""
    return br * ar - bi * ai, br * ai + bi * ar, br * xr - bi * xi + yr, br * xi + bi * xr + yi


@triton.jit
def walked(xr, xi, fr, fi, handed_r, handed_i, enters, leaves, REVERSE: tl.constexpr):
    """Scan a tile with a factor for each row; return its states, and that of the row where it is left.

    What is handed in is added to the row where the tile is entered.
    """
    xr, xi = tl.where(enters, xr + handed_r, xr), tl.where(enters, xi + handed_i, xi)
    _, _, yr, yi = tl.associative_scan((fr, fi, xr, xi), 0, _joined, reverse=REVERSE)
    return yr, yi, tl.sum(tl.where(leaves, yr, 0.0), 0), tl.sum(tl.where(leaves, yi, 0.0), 0)


@triton.jit
def _scan(
    x, decay, turn, carry, y, last, p, b,
    REVERSE: tl.constexpr, STRICT: tl.constexpr, CARRY: tl.constexpr, LAST: tl.constexpr,
    TILE: tl.constexpr,
):  # fmt: skip
    """y[t] = exp(z) y[t-1] + x[t], or of y[t+1]; STRICT: without x[t] itself."""
    state, record = tl.program_id(0).to(tl.int64) // b, tl.program_id(0).to(tl.int64) % b
    size, angle = tl.exp(tl.load(decay + state)), tl.load(turn + state)
    ar, ai = size * tl.cos(angle), size * tl.sin(angle)
    first = 2 * state * b + record  # of the table of rows; the imaginary part lies b further
    real, imaginary = first * p, (first + b) * p
    handed_r, handed_i = ar * 0.0, ar * 0.0
    if CARRY:
        handed_r = tl.load(carry + first).to(tl.float64)
        handed_i = tl.load(carry + first + b).to(tl.float64)
    last_r, last_i = handed_r, handed_i
    fr, fi = tl.zeros((TILE,), tl.float64) + ar, tl.zeros((TILE,), tl.float64) + ai
    tiles = tl.cdiv(p, TILE)
    for step in range(tiles):
        low = (tiles - 1 - step) * TILE if REVERSE else step * TILE
        high = tl.minimum(low + TILE, p) - 1
        rows = low + tl.arange(0, TILE)
        there = rows < p
        xr = tl.load(x + real + rows, there, 0.0).to(tl.float64)
        xi = tl.load(x + imaginary + rows, there, 0.0).to(tl.float64)
        enters, leaves = (rows == high, rows == low) if REVERSE else (rows == low, rows == high)
        yr, yi, last_r, last_i = walked(xr, xi, fr, fi, handed_r, handed_i, enters, leaves, REVERSE)
        handed_r, handed_i = ar * last_r - ai * last_i, ar * last_i + ai * last_r
        if STRICT:
            yr, yi = yr - xr, yi - xi
        tl.store(y + real + rows, yr.to(tl.float32), there)
        tl.store(y + imaginary + rows, yi.to(tl.float32), there)
    if LAST:
        tl.store(last + first, last_r.to(tl.float32))
        tl.store(last + first + b, last_i.to(tl.float32))


@triton.jit
def _gradient(
    g, x, decay, turn, of_last, more, of_x, of_exponent, p, b,
    REVERSE: tl.constexpr, MORE: tl.constexpr,
    TILE: tl.constexpr,
):  # fmt: skip
    """The gradients of the scan that ran the other way than this one does.

    REVERSE: of a scan from the first row on; x are its states. Otherwise of a strict one from the last row on, and x is
    what it gave.
    """
    state, record = tl.program_id(0).to(tl.int64) // b, tl.program_id(0).to(tl.int64) % b
    size, angle = tl.exp(tl.load(decay + state)), tl.load(turn + state)
    ar, ai = size * tl.cos(angle), -size * tl.sin(angle)
    first = 2 * state * b + record
    real, imaginary = first * p, (first + b) * p
    handed_r, handed_i = ar * 0.0, ar * 0.0
    if REVERSE:
        handed_r = tl.load(of_last + first).to(tl.float64)
        handed_i = tl.load(of_last + first + b).to(tl.float64)
    last_r, last_i = handed_r, handed_i
    fr, fi = tl.zeros((TILE,), tl.float64) + ar, tl.zeros((TILE,), tl.float64) + ai
    along, across = tl.zeros((TILE,), tl.float64), tl.zeros((TILE,), tl.float64)
    tiles = tl.cdiv(p, TILE)
    for step in range(tiles):
        low = (tiles - 1 - step) * TILE if REVERSE else step * TILE
        high = tl.minimum(low + TILE, p) - 1
        rows = low + tl.arange(0, TILE)
        there = rows < p
        gr = tl.load(g + real + rows, there, 0.0).to(tl.float64)
        gi = tl.load(g + imaginary + rows, there, 0.0).to(tl.float64)
        # What was carried into a row: exp(z) times the state before, multiplied at the end; or what a strict scan gave.
        source = rows - 1 if REVERSE else rows
        known = there & (source >= 0)
        xr = tl.load(x + real + source, known, 0.0).to(tl.float64)
        xi = tl.load(x + imaginary + source, known, 0.0).to(tl.float64)
        enters, leaves = (rows == high, rows == low) if REVERSE else (rows == low, rows == high)
        yr, yi, last_r, last_i = walked(gr, gi, fr, fi, handed_r, handed_i, enters, leaves, REVERSE)
        handed_r, handed_i = ar * last_r - ai * last_i, ar * last_i + ai * last_r
        along += yr * xr + yi * xi
        across += yi * xr - yr * xi
        if not REVERSE:
            yr, yi = yr - gr, yi - gi
        if MORE:
            yr += tl.load(more + real + rows, there, 0.0)
            yi += tl.load(more + imaginary + rows, there, 0.0)
        tl.store(of_x + real + rows, yr.to(tl.float32), there)
        tl.store(of_x + imaginary + rows, yi.to(tl.float32), there)
    by_decay, by_turn = tl.sum(along, 0), tl.sum(across, 0)
    if REVERSE:
        # conj(g) exp(z) x: the factor's conjugate is at hand.
        by_decay, by_turn = ar * by_decay - ai * by_turn, ar * by_turn + ai * by_decay
    tl.store(of_exponent + first, by_decay)
    tl.store(of_exponent + first + b, by_turn)


class ReadOut(torch.autograd.Function):
    """`readout.read_out` by these kernels; the backward pass makes inputs and states anew."""

    @staticmethod
    def forward(ctx, u, into, decay, turn, out, ahead, carry):
        decay, turn = decay.contiguous(), turn.contiguous()
        ctx.save_for_backward(u, into, decay, turn, out, ahead, carry)
        b, p, d = u.shape
        inputs = into @ u.reshape(-1, d).T  # (2n, b p)
        y = None if ahead is None else _scan_later(inputs, decay, turn, b).T @ ahead
        states, last = _scan_states(inputs, decay, turn, carry, b)
        y = states.T @ out if y is None else y.addmm_(states.T, out)
        return y.view(b, p, d), last

    @staticmethod
    @once_differentiable
    def backward(ctx, of_y, of_last):
        u, into, decay, turn, out, ahead, carry = ctx.saved_tensors
        (b, _, d), of_ahead, of_later, by_later = u.shape, None, None, None
        with torch.autocast(u.device.type, enabled=False):
            flat, of_y = u.reshape(-1, d), of_y.reshape(-1, d)
            inputs = into @ flat.T
            if ahead is not None:
                later = _scan_later(inputs, decay, turn, b)
                of_ahead = later @ of_y
                of_later, by_later = _gradients_later(ahead @ of_y.T, later, decay, turn, b)
                del later
            states, _ = _scan_states(inputs, decay, turn, carry, b)
            of_out = states @ of_y
            of_inputs, of_exponent = _gradients(out @ of_y.T, states, decay, turn, of_last, of_later, b)
            of_exponent = of_exponent if by_later is None else of_exponent + by_later
            of_decay, of_turn = of_exponent.sum(-1).unbind(1)
            of_u, of_into = (of_inputs.T @ into).view(u.shape), of_inputs @ flat
            of_carry = None if carry is None else of_inputs.view(*of_last.shape, -1)[..., 0]
        return of_u, of_into, of_decay, of_turn, of_out, of_ahead, of_carry


def _scan_states(
    inputs: torch.Tensor, decay: torch.Tensor, turn: torch.Tensor, carry: torch.Tensor | None, b: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scan from the first row on: (2n, b p) -> states, which take the inputs' place, and the last ones (n, 2, b)."""
    last = inputs.new_empty(len(decay), 2, b)
    given = inputs if carry is None else carry.contiguous()
    flags = (False, False, carry is not None, True)
    launch(_scan, inputs, b, (inputs, decay, turn, given, inputs, last), flags)
    return inputs, last


def _scan_later(inputs: torch.Tensor, decay: torch.Tensor, turn: torch.Tensor, b: int) -> torch.Tensor:
    """Scan from the last row on and return what is carried into each row, (2n, b p)."""
    later = torch.empty_like(inputs)
    launch(_scan, inputs, b, (inputs, decay, turn, inputs, later, inputs), (True, True, False, False))
    return later


def _gradients(
    upstream: torch.Tensor,
    states: torch.Tensor,
    decay: torch.Tensor,
    turn: torch.Tensor,
    of_last: torch.Tensor,
    of_later: torch.Tensor | None,
    b: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of the inputs (2n, b p), in upstream's place and with `of_later` added, and of exponents.

    The latter are (n, 2, b) float64, one of decay and one of turn for each record.
    """
    of_exponent = torch.empty_like(of_last, dtype=torch.float64, memory_format=torch.contiguous_format)
    more = upstream if of_later is None else of_later
    tensors = (upstream, states, decay, turn, of_last.contiguous(), more, upstream, of_exponent)
    launch(_gradient, upstream, b, tensors, (True, of_later is not None))
    return upstream, of_exponent


def _gradients_later(
    upstream: torch.Tensor, later: torch.Tensor, decay: torch.Tensor, turn: torch.Tensor, b: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `_gradients` does, of what `_scan_later` gave."""
    of_exponent = decay.new_empty(len(decay), 2, b)
    tensors = (upstream, later, decay, turn, upstream, upstream, upstream, of_exponent)
    launch(_gradient, upstream, b, tensors, (False, False))
    return upstream, of_exponent


def launch(kernel, rows: torch.Tensor, b: int, tensors: tuple, flags: tuple[bool, ...] = ()) -> None:
    """Run one program for each state of each record; rows: (2n, b p)."""
    n, p = len(rows) // 2, rows.shape[1] // b
    tile = min(TILE, max(SMALLEST, triton.next_power_of_2(p)))
    kernel[(n * b,)](*tensors, p, b, *flags, tile, num_warps=max(1, tile * WARPS // TILE))
