"""The short convolution in Triton, for CUDA: it reads the signal as it lies, with no padding and no transpose."""

import torch
import triton
import triton.language as tl

ROWS, CHANNELS = 128, 32
"""Tile of one program: of six that were tried on an H100, the fastest or nearly so."""
TILES = 8
"""Tiles that one program of the filter's gradient sums up."""


@triton.jit
def _correlate(
    x,
    w,
    bias,
    y,
    length,
    rows,
    width,
    taps,
    back,
    dilation,
    HAS_BIAS: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """y[t, c] = bias[c] + sum over k of w[c, k] x[t - back + k dilation, c]; a program makes one tile."""
    batch = tl.program_id(2).to(tl.int64)
    t, c = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = c < width
    total = tl.zeros((ROWS, CHANNELS), tl.float32)
    if HAS_BIAS:
        total += tl.load(bias + c, inside, 0.0).to(tl.float32)[None, :]
    x += batch * length * width
    y += batch * rows * width
    for k in range(taps):
        source = t - back + k * dilation
        known = ((source >= 0) & (source < length))[:, None] & inside[None, :]
        value = tl.load(x + source[:, None].to(tl.int64) * width + c[None, :], known, 0.0).to(tl.float32)
        total += value * tl.load(w + c * taps + k, inside, 0.0).to(tl.float32)[None, :]
    there = (t < rows)[:, None] & inside[None, :]
    tl.store(y + t[:, None].to(tl.int64) * width + c[None, :], total.to(y.dtype.element_ty), there)


@triton.jit
def _filter_gradient(
    x,
    g,
    out,
    length,
    rows,
    width,
    taps,
    back,
    dilation,
    PADDED: tl.constexpr,
    TILES: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """out[k, c] = sum over some rows t of g[t, c] x[t - back + k dilation, c]; out[taps, c] is the sum of g."""
    batch, chunk = tl.program_id(2).to(tl.int64), tl.program_id(0)
    c = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = c < width
    tap = tl.arange(0, PADDED)
    total = tl.zeros((PADDED, CHANNELS), tl.float32)  # row `taps` is the bias's
    x += batch * length * width
    g += batch * rows * width
    for tile in range(TILES):
        t = (chunk * TILES + tile) * ROWS + tl.arange(0, ROWS)
        here = (t < rows)[:, None] & inside[None, :]
        gradient = tl.load(g + t[:, None].to(tl.int64) * width + c[None, :], here, 0.0).to(tl.float32)
        total += tl.where(tap[:, None] == taps, tl.sum(gradient, 0)[None, :], 0.0)
        for k in range(taps):
            source = t - back + k * dilation
            known = ((source >= 0) & (source < length))[:, None] & inside[None, :]
            value = tl.load(x + source[:, None].to(tl.int64) * width + c[None, :], known, 0.0).to(tl.float32)
            total += tl.where(tap[:, None] == k, tl.sum(value * gradient, 0)[None, :], 0.0)
    row = (batch * tl.num_programs(0) + chunk) * (taps + 1)
    tl.store(out + (row + tap[:, None]) * width + c[None, :], total, (tap <= taps)[:, None] & inside[None, :])


def correlate(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, back: int, ahead: int, dilation: int
) -> torch.Tensor:
    """Correlate as `convolution.depthwise`; sums run in float32.

    Args:
        x: (b, p, d) on CUDA, float32, bfloat16 or float16.
        weight: (d, 1, 1, k) in x's dtype.
        bias: (d,) or None.
        back, ahead: rows of zeros before the first and after the last row of x.
        dilation: rows between two taps.

    Returns:
        (b, p + back + ahead - dilation * (k - 1), d) in x's dtype.
    """
    x, taps = x.contiguous(), weight.flatten(1).contiguous()
    b, length, width = x.shape
    rows = length + back + ahead - dilation * (taps.shape[1] - 1)
    y = x.new_empty(b, rows, width)
    _correlate[triton.cdiv(rows, ROWS), triton.cdiv(width, CHANNELS), b](
        x, taps, x if bias is None else bias, y, length, rows, width, taps.shape[1], back, dilation,
        bias is not None, ROWS, CHANNELS,
    )  # fmt: skip
    return y


def filter_gradients(
    x: torch.Tensor, gradient: torch.Tensor, taps: int, back: int, dilation: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of weight (d, 1, 1, k) and bias (d,), in x's dtype, from the output's gradient.

    Each program sums up TILES tiles in float32; their sums are added at the end, in a fixed order.
    """
    x, gradient = x.contiguous(), gradient.contiguous()
    (b, length, width), rows = x.shape, gradient.shape[1]
    chunks = triton.cdiv(rows, ROWS * TILES)
    out = x.new_empty(b, chunks, taps + 1, width, dtype=torch.float32)
    _filter_gradient[chunks, triton.cdiv(width, CHANNELS), b](
        x, gradient, out, length, rows, width, taps, back, dilation,
        triton.next_power_of_2(taps + 1), TILES, ROWS, CHANNELS,
    )  # fmt: skip
    total = out.sum((0, 1)).to(x.dtype)
    return total[:-1].T[:, None, None].contiguous(), total[-1]
