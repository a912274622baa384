"""Convolution by sums of real poles in Triton, for CUDA: a thread runs the recurrence of one channel's poles.

A chunk is read twice: first for each pole's sum at its end, begun at zero, and, once these sums have been passed
from chunk to chunk, for the outputs. Sums are float32: s[t] = s[t-1] - loss * s[t-1] + x[t] with loss = 1 - exp(-rate),
which keeps its digits where a memory is long. Chunks and rows count in the direction of the scan.
"""

import torch
import triton
import triton.language as tl

LONG, SHORT = 512, 64
"""Rows of a chunk, for long texts and for short ones, which would make too few programs."""
FEWEST = 8192
"""Rows of a long text."""
ROWS, CHANNELS = 16, 32
"""Tile that a program holds, a channel a thread."""
SIZES = ["length", "width", "count"]
"""Arguments that are not compiled in. Were the width known to be a multiple of 16, Triton would read several channels a
thread and then shuffle them to the threads that need them, which takes longer than reading one by one."""


@triton.jit
def _row(tile, rows, row):
    """Row `row` of a tile (rows, channels); each thread has its channel's, so nothing is exchanged."""
    return tl.sum(tl.where(rows[:, None] == row, tile, 0.0), 0)


@triton.jit
def _offsets(first, length, width, c, REVERSE: tl.constexpr, ROWS: tl.constexpr):
    """Offsets of the scan's rows first, first + 1, ... in (length, width), and which of them there are."""
    t = first + tl.arange(0, ROWS)
    there = (t < length)[:, None] & (c < width)[None, :]
    if REVERSE:
        t = length - 1 - t
    return t[:, None].to(tl.int64) * width + c[None, :], there


@triton.jit(do_not_specialize=SIZES)
def _ends(
    x, loss, out, slopes, length, width, poles, count,
    SLOPES: tl.constexpr, REVERSE: tl.constexpr, POLES: tl.constexpr, CHUNK: tl.constexpr, ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):  # fmt: skip
    """The poles' sums, and their slopes by the rate, at the end of each chunk: out[batch, chunk, pole, c]."""
    chunk, batch = tl.program_id(0) % count, (tl.program_id(0) // count).to(tl.int64)
    c, pole, rows = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS), tl.arange(0, POLES), tl.arange(0, ROWS)
    own, known = pole[:, None] * width + c[None, :], (pole < poles)[:, None] & (c < width)[None, :]
    lost = tl.load(loss + own, known, 1.0)
    s, q = tl.zeros((POLES, CHANNELS), tl.float32), tl.zeros((POLES, CHANNELS), tl.float32)
    x += batch * length * width
    for first in range(0, CHUNK, ROWS):
        at, there = _offsets(chunk * CHUNK + first, length, width, c, REVERSE, ROWS)
        tile = tl.load(x + at, there, 0.0).to(tl.float32)
        for row in tl.static_range(ROWS):
            if SLOPES:
                q = (q - s) - lost * (q - s)
            s = (s - lost * s) + _row(tile, rows, row)[None, :]
    end = (batch * count + chunk) * poles * width + own
    tl.store(out + end, s, known)
    if SLOPES:
        tl.store(slopes + end, q, known)


@triton.jit(do_not_specialize=["lanes", "count"])
def _pass_on(
    sums, slopes, first, kept, count, lanes,
    FIRST: tl.constexpr, SLOPES: tl.constexpr, CHUNK: tl.constexpr, ROWS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Turn sums at the ends of chunks that begin with zeros into those before each chunk: sums[batch, chunk, lane]."""
    batch = tl.program_id(0).to(tl.int64)
    lane, rows = tl.program_id(1) * LANES + tl.arange(0, LANES), tl.arange(0, ROWS)
    inside = lane < lanes
    share = tl.load(kept + lane, inside, 0.0)  # exp(-rate * CHUNK)
    s, q = tl.zeros((LANES,), tl.float32), tl.zeros((LANES,), tl.float32)
    if FIRST:
        s = tl.load(first + batch * lanes + lane, inside, 0.0)
    sums += batch * count * lanes
    slopes += batch * count * lanes
    for chunk in range(0, count, ROWS):
        at = (chunk + rows)[:, None].to(tl.int64) * lanes + lane[None, :]
        there = (chunk + rows < count)[:, None] & inside[None, :]
        tile, before = tl.load(sums + at, there, 0.0), tl.zeros((ROWS, LANES), tl.float32)
        if SLOPES:
            steep, steep_before = tl.load(slopes + at, there, 0.0), tl.zeros((ROWS, LANES), tl.float32)
        for row in tl.static_range(ROWS):
            before = tl.where(rows[:, None] == row, s[None, :], before)
            if SLOPES:
                steep_before = tl.where(rows[:, None] == row, q[None, :], steep_before)
                q = share * (q - CHUNK * s) + _row(steep, rows, row)
            s = share * s + _row(tile, rows, row)
        tl.store(sums + at, before, there)
        if SLOPES:
            tl.store(slopes + at, steep_before, there)


@triton.jit(do_not_specialize=SIZES)
def _outputs(
    x, loss, amplitude, before, y, length, width, poles, count,
    LAG_ZERO: tl.constexpr, REVERSE: tl.constexpr, POLES: tl.constexpr, CHUNK: tl.constexpr, ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):  # fmt: skip
    """y[t, c] = sum over poles of amplitude * s[t], without x[t]'s own share where lag 0 is left out."""
    chunk, batch = tl.program_id(0) % count, (tl.program_id(0) // count).to(tl.int64)
    c, pole, rows = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS), tl.arange(0, POLES), tl.arange(0, ROWS)
    own, known = pole[:, None] * width + c[None, :], (pole < poles)[:, None] & (c < width)[None, :]
    lost, weight = tl.load(loss + own, known, 1.0), tl.load(amplitude + own, known, 0.0)
    s = tl.load(before + (batch * count + chunk) * poles * width + own, known, 0.0)
    x += batch * length * width
    y += batch * length * width
    for first in range(0, CHUNK, ROWS):
        at, there = _offsets(chunk * CHUNK + first, length, width, c, REVERSE, ROWS)
        tile, found = tl.load(x + at, there, 0.0).to(tl.float32), tl.zeros((ROWS, CHANNELS), tl.float32)
        for row in tl.static_range(ROWS):
            s = s - lost * s
            if LAG_ZERO:
                s += _row(tile, rows, row)[None, :]
            found = tl.where(rows[:, None] == row, tl.sum(weight * s, 0)[None, :], found)
            if not LAG_ZERO:
                s += _row(tile, rows, row)[None, :]
        tl.store(y + at, found.to(y.dtype.element_ty), there)


@triton.jit(do_not_specialize=SIZES)
def _filter_gradient(
    x, upstream, loss, before, slopes, out, length, width, poles, count,
    LAG_ZERO: tl.constexpr, REVERSE: tl.constexpr, POLES: tl.constexpr, CHUNK: tl.constexpr, ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):  # fmt: skip
    """A chunk's sums over t of upstream[t] s[t] and of upstream[t] ds[t]/drate: out[batch, chunk, 2, pole, c]."""
    chunk, batch = tl.program_id(0) % count, (tl.program_id(0) // count).to(tl.int64)
    c, pole, rows = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS), tl.arange(0, POLES), tl.arange(0, ROWS)
    own, known = pole[:, None] * width + c[None, :], (pole < poles)[:, None] & (c < width)[None, :]
    lost = tl.load(loss + own, known, 1.0)
    begun = (batch * count + chunk) * poles * width + own
    s, q = tl.load(before + begun, known, 0.0), tl.load(slopes + begun, known, 0.0)
    of_amplitude, of_rate = tl.zeros((POLES, CHANNELS), tl.float32), tl.zeros((POLES, CHANNELS), tl.float32)
    x += batch * length * width
    upstream += batch * length * width
    for first in range(0, CHUNK, ROWS):
        at, there = _offsets(chunk * CHUNK + first, length, width, c, REVERSE, ROWS)
        tile = tl.load(x + at, there, 0.0).to(tl.float32)
        given = tl.load(upstream + at, there, 0.0).to(tl.float32)
        for row in tl.static_range(ROWS):
            wanted = _row(given, rows, row)[None, :]
            q = (q - s) - lost * (q - s)
            s = s - lost * s
            if LAG_ZERO:
                s += _row(tile, rows, row)[None, :]
            of_amplitude += wanted * s
            of_rate += wanted * q
            if not LAG_ZERO:
                s += _row(tile, rows, row)[None, :]
    end = (batch * count + chunk) * 2 * poles * width + own
    tl.store(out + end, of_amplitude, known)
    tl.store(out + end + poles * width, of_rate, known)


class Modal(torch.autograd.Function):
    """The convolution of `modal.modal_conv`. The gradient of the signal is that of its output convolved the other way
    round; those of the filter are sums in the forward direction, in a fixed order. The backward pass makes the sums
    anew."""

    @staticmethod
    def forward(ctx, signal, rates, amplitudes, lag_zero, reverse):
        ctx.lag_zero, ctx.reverse = lag_zero, reverse
        ctx.save_for_backward(signal, rates, amplitudes)
        return convolve(signal, rates, amplitudes, None, lag_zero, reverse)[0]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        signal, rates, amplitudes = ctx.saved_tensors
        of_signal = of_rates = of_amplitudes = None
        if ctx.needs_input_grad[0]:
            of_signal, _ = convolve(upstream, rates, amplitudes, None, ctx.lag_zero, not ctx.reverse)
        if ctx.needs_input_grad[1] or ctx.needs_input_grad[2]:
            by_amplitude, by_rate = _filter_gradients(signal, upstream, rates, ctx.lag_zero, ctx.reverse)
            of_rates, of_amplitudes = by_rate * amplitudes, by_amplitude
        return of_signal, of_rates, of_amplitudes, None, None


def convolve(
    signal: torch.Tensor,
    rates: torch.Tensor,
    amplitudes: torch.Tensor,
    first: torch.Tensor | None,
    lag_zero: bool,
    reverse: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Convolve as `modal.modal_conv`.

    Args:
        signal: (b, p, d) on CUDA, float32, bfloat16 or float16.
        rates, amplitudes: (m, d) float32.
        first: (b, m, d) float32, the poles' sums before the scan's first row; None is zero.
        lag_zero: False leaves out lag 0.
        reverse: row t sees itself and later rows.

    Returns:
        y: (b, p, d) in the signal's dtype.
        before: (b, chunks, m, d) float32, the poles' sums before each chunk.
    """
    signal, amplitudes = signal.contiguous(), amplitudes.contiguous()
    b, p, d = signal.shape
    loss, (before,), chunk = _sums(signal, rates, first, reverse, 1)
    y, poles, count = torch.empty_like(signal), len(rates), before.shape[1]
    _outputs[b * count, triton.cdiv(d, CHANNELS)](
        signal, loss, amplitudes, before, y, p, d, poles, count,
        lag_zero, reverse, triton.next_power_of_2(poles), chunk, ROWS, CHANNELS, num_warps=1,
    )  # fmt: skip
    return y, before


def continued(
    signal: torch.Tensor, rates: torch.Tensor, amplitudes: torch.Tensor, state: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Convolve rows that follow others, as `modal.modal_extend`; without gradients."""
    y, before = convolve(signal, rates, amplitudes, state.transpose(1, 2), True, False)
    rest = signal[:, (before.shape[1] - 1) * _chunk_of(signal.shape[1]) :].float()  # (b, k, d) of the last chunk
    lag = torch.arange(rest.shape[1] - 1, -1, -1, device=signal.device)[:, None, None]
    after = torch.einsum("bkd,kmd->bmd", rest, torch.exp(-rates * lag))
    after += before[:, -1] * torch.exp(-rates * rest.shape[1])
    return y, after.transpose(1, 2).contiguous()


def _chunk_of(length: int) -> int:
    """Return the rows of a chunk of a text of so many rows."""
    return LONG if length >= FEWEST else SHORT


def _sums(
    signal: torch.Tensor, rates: torch.Tensor, first: torch.Tensor | None, reverse: bool, kinds: int
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return 1 - exp(-rate) (m, d), what stands before each chunk (kinds, b, chunks, m, d), and a chunk's rows.

    The first kind is the poles' sums, the second their slopes by the rate.
    """
    b, p, d = signal.shape
    poles, chunk = len(rates), _chunk_of(p)
    count = triton.cdiv(p, chunk)
    loss, kept = -torch.expm1(-rates).contiguous(), torch.exp(-chunk * rates).contiguous()
    sums = rates.new_empty(kinds, b, count, poles, d)
    slopes = sums[1] if kinds > 1 else loss  # which is not touched then
    _ends[b * count, triton.cdiv(d, CHANNELS)](
        signal, loss, sums[0], slopes, p, d, poles, count,
        kinds > 1, reverse, triton.next_power_of_2(poles), chunk, ROWS, CHANNELS, num_warps=1,
    )  # fmt: skip
    lanes = poles * d
    _pass_on[b, triton.cdiv(lanes, CHANNELS)](
        sums[0], slopes, loss if first is None else first.contiguous(), kept, count, lanes,
        first is not None, kinds > 1, chunk, ROWS, CHANNELS, num_warps=1,
    )  # fmt: skip
    return loss, sums, chunk


def _filter_gradients(
    signal: torch.Tensor, upstream: torch.Tensor, rates: torch.Tensor, lag_zero: bool, reverse: bool
) -> torch.Tensor:
    """Return the sums over rows of upstream * s and upstream * ds/drate: (2, m, d) float32."""
    signal, upstream = signal.contiguous(), upstream.contiguous()
    b, p, d = signal.shape
    loss, (before, slopes), chunk = _sums(signal, rates, None, reverse, 2)
    count, poles = before.shape[1], len(rates)
    out = rates.new_empty(b, count, 2, poles, d)
    _filter_gradient[b * count, triton.cdiv(d, CHANNELS)](
        signal, upstream, loss, before, slopes, out, p, d, poles, count,
        lag_zero, reverse, triton.next_power_of_2(poles), chunk, ROWS, CHANNELS, num_warps=1,
    )  # fmt: skip
    return out.sum((0, 1))
