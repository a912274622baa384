"""The rotation in Triton, for CUDA: one pass over the signal."""

import torch
import triton
import triton.language as tl

TILE = 2048
"""Pairs of channels of one program."""


@triton.jit
def _turn(x, cosine, sine, y, rows, heads, places, half, stride, ROWS: tl.constexpr, HALF: tl.constexpr):
    """A program turns ROWS rows of x (rows, 2 half); row r lies at place r / heads, and places come again in turn.

    The heads of a place lie side by side in x, those of the next one `stride` numbers on; in y there is no gap.
    """
    r = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    c = tl.arange(0, HALF)
    there = (r < rows)[:, None] & (c < half)[None, :]
    angle = ((r // heads) % places)[:, None] * half + c[None, :]
    cos = tl.load(cosine + angle, there, 0.0)
    sin = tl.load(sine + angle, there, 0.0)
    source = (r // heads * stride + r % heads * (2 * half))[:, None] + c[None, :]
    first = tl.load(x + source, there, 0.0).to(tl.float32)
    second = tl.load(x + source + half, there, 0.0).to(tl.float32)
    at = r[:, None] * (2 * half) + c[None, :]
    tl.store(y + at, (first * cos - second * sin).to(y.dtype.element_ty), there)
    tl.store(y + at + half, (first * sin + second * cos).to(y.dtype.element_ty), there)


def turn(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Turn as `turning.turned`; no row of the angles is broadcast but leading dimensions that are left out.

    Args:
        x: (..., h, d) on CUDA, float32, bfloat16 or float16.
        cosine, sine: (..., d/2) float32.
    """
    x, cosine, sine = _by_places(x), cosine.contiguous(), sine.contiguous()
    heads, half = x.shape[-2], x.shape[-1] // 2
    y, rows = x.new_empty(x.shape), x.numel() // x.shape[-1]
    stride = x.stride(-3) if x.dim() > 2 else 0
    if rows:
        padded = triton.next_power_of_2(half)
        size = max(1, TILE // padded)
        places = cosine.numel() // half
        _turn[(triton.cdiv(rows, size),)](x, cosine, sine, y, rows, heads, places, half, stride, size, padded)
    return y


def _by_places(x: torch.Tensor) -> torch.Tensor:
    """Return x (..., h, d) as it lies if its places lie at equal distances, each whole; else a copy that does."""
    *leading, _, d = x.shape
    wanted, step = [d, 1], x.stride(-3) if leading else 0
    for size in reversed(leading):
        wanted.insert(0, step)
        step *= size
    return x if list(x.stride()) == wanted else x.contiguous()
