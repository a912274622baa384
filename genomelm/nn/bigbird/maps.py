"""What patches read under BigBird attention, for looking at."""

import torch
import torch.nn.functional as F

from genomelm.nn.attention.shares import LOW
from genomelm.nn.bigbird.pattern import BlockPattern
from genomelm.nn.bigbird.portable import _group_means
from genomelm.nn.positions import rotate


def shares(
    query: torch.Tensor,
    key: torch.Tensor,
    places: torch.Tensor,
    present: torch.Tensor,
    pattern: BlockPattern,
    block: int,
    rotary_base: float | None,
    queries: torch.Tensor,
    heads: torch.Tensor,
) -> torch.Tensor:
    """Return the weight of every patch for some queries.

    What a query reads of a group's mean is what it reads of each of its patches in equal parts: so these weights, by
    the patches' values, are the attention's output.

    Args:
        query, key, places, present, pattern, block, rotary_base: as in `portable.attention`.
        queries: (q,) int64, patches that read; those at padding have zeros.
        heads: (g,) int64.

    Returns:
        (b, g, q, p) float32 at least.
    """
    p, size = query.shape[1], query.shape[-1]
    kind = torch.promote_types(query.dtype, torch.float32)
    blocks = -(-p // block)
    extra = blocks * block - p
    key = F.pad(key, (0, 0, 0, 0, 0, extra))
    places, real = F.pad(places, (0, extra)), F.pad(present, (0, extra))
    of_key = torch.arange(blocks * block, device=key.device)
    own = queries // block
    turned = rotate(query[:, queries][:, :, heads], places[:, queries], rotary_base).to(kind) * size**-0.5
    keys = rotate(key[:, :, heads], places, rotary_base).to(kind)
    logits = torch.einsum("bqgd,bkgd->bgqk", turned, keys)
    allowed = _blocks_read(pattern, blocks, real, block, own, heads).repeat_interleave(block, -1)
    allowed = allowed & real[:, None, None]
    if pattern.bidirectional:
        weight = logits.masked_fill(~allowed, LOW).softmax(-1)
    else:
        allowed = allowed & (of_key <= queries[:, None])
        means, _, closed = _group_means(key, key, places, real, block, rotary_base)
        means, closed = means[:, heads][:, :, own].to(kind), closed[:, own]  # (b, g, q, levels, d), (b, q, levels)
        of_means = torch.einsum("bqgd,bgqld->bgql", turned, means)
        logits = torch.cat([logits, of_means], -1)
        weight = logits.masked_fill(~torch.cat([allowed, closed[:, None].expand_as(of_means)], -1), LOW).softmax(-1)
        weight, of_means = weight.split([len(of_key), closed.shape[-1]], -1)
        for level in range(closed.shape[-1]):
            group = (own >> level + 1) - 1
            members = ((of_key // block >> level + 1) == group[:, None]) & real[:, None]  # (b, q, p)
            part = of_means[..., level] / members.sum(-1).clamp_min(1)[:, None]
            weight = weight + part[..., None] * members[:, None]
    return weight[..., :p].masked_fill(~present[:, queries][:, None, :, None], 0)


def _blocks_read(
    pattern: BlockPattern, blocks: int, real: torch.Tensor, block: int, own: torch.Tensor, heads: torch.Tensor
) -> torch.Tensor:
    """Return which blocks the queries in blocks `own` (q,) read as such: (b or 1, g, q, blocks) bool."""
    there = real.unflatten(1, (blocks, block)).any(-1)
    counts = (there * torch.arange(1, blocks + 1, device=real.device)).amax(-1)
    chosen, used = pattern.key_blocks(blocks, counts)
    chosen = chosen[:, heads][:, :, own]  # (b or 1, g, q, slots)
    used = used[:, :, own].expand_as(chosen).long()
    times = torch.zeros(*chosen.shape[:-1], blocks, dtype=torch.int64, device=real.device)
    reads = times.scatter_add_(-1, chosen, used) > 0
    return reads | (own < pattern.sinks)[:, None] if pattern.bidirectional else reads
