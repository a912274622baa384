"""BigBird attention by its kernels, as one step for autograd."""

import torch
import triton
from torch.autograd.function import once_differentiable

from genomelm.nn.bigbird.kernel import SHARE, attend, key_gradient, mean_gradient, query_gradient


class Attention(torch.autograd.Function):
    """Attention over chosen blocks and (causal) means, and of the first blocks over all; see `portable.attention`.

    Args:
        q, k, v: (b, p, h, d), turned; p a multiple of the block. Logits are multiplied by d**-0.5.
        real: (b, p) bool.
        chosen, used: key blocks (b or 1, h, n, slots) and whether they are read (b or 1, 1, n, slots).
        mean_k, mean_v, closed: tables of means (b, groups, h, d), and whether a group has patches, (b, groups).
        block: patches of a block.
        dense: query blocks at the start that read everything (not causal).
        sinks: global blocks, which every block reads (causal: every block from them on).
        causal: no patch reads a later one.

    Returns:
        (b, p, h, d); zeros where not real. Sums run in float32, in a fixed order.
    """

    @staticmethod
    def forward(ctx, q, k, v, real, chosen, used, mean_k, mean_v, closed, block, dense, sinks, causal):
        b, p, h, d = q.shape
        blocks, slots, groups = p // block, chosen.shape[-1], closed.shape[-1]
        real, closed = real.to(torch.uint8).contiguous(), closed.to(torch.uint8).contiguous()
        chosen, used = chosen.to(torch.int32).contiguous(), used.to(torch.uint8).contiguous()
        mean_k, mean_v = mean_k.contiguous(), mean_v.contiguous()
        q, k, v = (_by_rows(x) for x in (q, k, v))
        out = q.new_empty(q.shape)
        norm = q.new_empty(b, h, p, dtype=torch.float32)
        strides = (x.stride(0) if len(x) > 1 else 0 for x in (chosen, used))
        sizes = (*(x.stride(1) for x in (q, k, v)), p, blocks, h, slots, groups, *strides, dense)
        levels = max(16, triton.next_power_of_2(blocks.bit_length())) if groups else 0
        fixed = (causal, levels, block, d, d**-0.5, _precision(q))
        lists = (q, k, v, real, chosen, used, mean_k, mean_v, closed)
        if blocks > dense:
            attend[b * h, blocks - dense](*lists, out, norm, norm, *sizes, False, SHARE, *fixed)
        if dense:
            shares = triton.cdiv(blocks, SHARE)
            parts, tops, totals = (
                q.new_empty(shares, dense, b, h, block, size, dtype=torch.float32) for size in (d, 1, 1)
            )
            attend[b * h, shares * dense](*lists, parts, tops, totals, *sizes, True, SHARE, *fixed)
            top = tops.amax(0)
            fade = torch.exp(tops - top)
            total = (totals * fade).sum(0)  # (dense, b, h, block, 1)
            mixed = _in_rows((parts * fade).sum(0) / total)
            out[:, : dense * block] = mixed.masked_fill(real[:, : dense * block, None, None] == 0, 0)
            norm[:, :, : dense * block] = _in_rows(top + total.log())[..., 0].transpose(1, 2)
        ctx.save_for_backward(q, k, v, real, chosen, used, mean_k, mean_v, closed, out, norm)
        ctx.facts = (sizes, fixed, sinks)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, of_out):
        q, k, v, real, chosen, used, mean_k, mean_v, closed, out, norm = ctx.saved_tensors
        sizes, fixed, sinks = ctx.facts
        (b, p, h, d), (*rows, _, blocks, _, _, groups, _, _, dense), (_, levels, block, *_) = q.shape, sizes, fixed
        of_out, inner = of_out.contiguous(), torch.empty_like(norm)
        of_q, of_k, of_v = (x.new_empty(x.shape) for x in (q, k, v))
        of_means = [torch.zeros_like(mean, dtype=torch.float32) for mean in (mean_k, mean_v)]
        told = (out, of_out, norm, inner)
        lists = (q, k, v, real, chosen, used, mean_k, mean_v, closed, *told)
        shares = triton.cdiv(blocks, SHARE)
        parts = [q.new_empty(b * h, blocks, levels, d, dtype=torch.float32) for _ in range(2)]
        if blocks > dense:
            query_gradient[b * h, blocks - dense](*lists, of_q, *parts, *sizes, False, SHARE, *fixed)
        for part, whole in zip(parts, of_means, strict=True) if groups else ():
            mean_gradient[b * h, groups](part, whole, blocks, h, groups, levels, SHARE, d)
        if dense:
            part = q.new_empty(shares, dense, b, h, block, d, dtype=torch.float32)
            query_gradient[b * h, shares * dense](*lists, part, *parts, *sizes, True, SHARE, *fixed)
            of_q[:, : dense * block] = _in_rows(part.sum(0))
        readers, edges = _readers(chosen, used, dense)
        strides = [x.stride(0) if len(x) > 1 else 0 for x in (readers, edges)]
        sinks = min(sinks, blocks)
        lists = (q, k, v, real, readers, edges, *told[1:])
        numbers = (*rows, p, blocks, h, readers.shape[-1], *strides, sinks, dense, sinks)
        if blocks > sinks:
            key_gradient[b * h, blocks - sinks](*lists, of_k, of_v, *numbers, False, SHARE, fixed[0], *fixed[2:])
        if sinks:
            parts = [q.new_empty(shares, sinks, b, h, block, d, dtype=torch.float32) for _ in range(2)]
            key_gradient[b * h, shares * sinks](*lists, *parts, *numbers, True, SHARE, fixed[0], *fixed[2:])
            for found, part in zip((of_k, of_v), parts, strict=True):
                found[:, : sinks * block] = _in_rows(part.sum(0))
        of_means = (whole.to(k.dtype) for whole in of_means)
        return of_q, of_k, of_v, None, None, None, *of_means, None, None, None, None, None


def _readers(chosen: torch.Tensor, used: torch.Tensor, dense: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return, for each key block, the query blocks that read it: (b or 1, h, n * slots) and where each list begins.

    Query blocks below `dense` are in no list. The lists lie one after another, those of unread slots past the last.
    """
    _, _, blocks, slots = chosen.shape
    counted = used & (torch.arange(blocks, device=used.device) >= dense)[:, None]
    key = torch.where(counted.bool(), chosen, blocks).flatten(2)  # (b or 1, h, n * slots)
    key, order = key.sort(stable=True)
    bounds = torch.arange(blocks + 1, dtype=key.dtype, device=key.device).expand(*key.shape[:2], -1).contiguous()
    edges = torch.searchsorted(key, bounds)
    return (order // slots).int().contiguous(), edges.int().contiguous()


def _in_rows(x: torch.Tensor) -> torch.Tensor:
    """Lay blocks as rows lie: (n, b, h, block, d) -> (b, n * block, h, d)."""
    return x.permute(1, 0, 3, 2, 4).flatten(1, 2)


def _by_rows(x: torch.Tensor) -> torch.Tensor:
    """Return x (b, p, h, d) as it lies if its rows of h * d numbers lie at equal distances, else a copy that does."""
    row = x.stride(1)
    return x if x.stride() == (x.shape[1] * row, row, x.shape[3], 1) else x.contiguous()


def _precision(x: torch.Tensor) -> str:
    """Products of float32 keep all their digits."""
    return "ieee" if x.dtype == torch.float32 else "tf32"
