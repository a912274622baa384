"""Attention over a pattern of blocks: what the rows read, then by a kernel of its own (CUDA) or in plain torch.

In plain torch key blocks are gathered, work and memory O(p); no block-by-block table is ever made.
"""

import importlib.util
from itertools import accumulate

import torch
import torch.nn.functional as F

from genomelm.nn import rotary
from genomelm.nn.bigbird.pattern import BlockPattern, summary_levels
from genomelm.nn.positions import rotate, turn_of

TRITON = importlib.util.find_spec("triton") is not None
TILES = (16, 32, 64, 128)
"""Block sizes and head widths that the kernel takes."""
LOW = -1e30
"""Stands for minus infinity, and stays finite where all keys of a padding row are masked."""


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    places: torch.Tensor,
    present: torch.Tensor,
    pattern: BlockPattern,
    block: int,
    rotary_base: float | None,
    turn: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Let each patch attend over the blocks of `pattern` and (causal) over the means of closed groups of blocks.

    A group's key is the mean of its real patches' unrotated keys, rotated at the mean of their coordinates (whole
    bases, rounded down): a mean of rotated keys would cancel.

    Args:
        query, key, value: (b, p, h, d), not rotated.
        places: (b, p) int64, base coordinate of each patch.
        present: (b, p) bool, real patches.
        pattern: key blocks of every block.
        block: patches of a block.
        rotary_base: frequency base of the rotary angles; None: positions are not told.
        turn: cosine and sine of the angles, if they are at hand.

    Returns:
        (b, p, h, d); zeros where not present. A real patch reads itself, so no other row is empty.
    """
    _, p, _, d = query.shape
    blocks = -(-p // block)
    fused = path_of(query, block) == "triton"
    if not fused:  # the kernel does it itself
        query = query * d**-0.5
    if rotary_base is not None and turn is None:
        turn = turn_of(places, d // 2, rotary_base)
    turned = (query, key) if turn is None else tuple(rotary.turned(x, *turn) for x in (query, key))
    if extra := blocks * block - p:
        *turned, key, value = (F.pad(x, (0, 0, 0, 0, 0, extra)) for x in (*turned, key, value))
        places, present = F.pad(places, (0, extra)), F.pad(present, (0, extra))
    real = present.unflatten(1, (blocks, block))  # (b, n, block)
    counts = (real.any(-1) * torch.arange(1, blocks + 1, device=real.device)).amax(-1)
    chosen, used = pattern.key_blocks(blocks, counts)  # (b or 1, h, n, slots)
    chosen, used = chosen[..., :blocks], used[..., :blocks]  # a short record has no use for the other slots
    dense = min(pattern.sinks, blocks) if pattern.bidirectional else 0
    grouped = (key, value, places, present, block, rotary_base)
    if fused:
        from genomelm.nn.bigbird.by_kernel import Attention

        tables = _no_tables(key, present) if pattern.bidirectional else _group_tables(*grouped)
        sizes = (block, dense, pattern.sinks, not pattern.bidirectional)
        return Attention.apply(*turned, value, present, chosen, used, *tables, *sizes)[:, :p]
    q, k, v = (_blocked(x, block) for x in (*turned, value))  # (b, h, n, block, d)
    if pattern.bidirectional:
        mixed = _both_ways(q, k, v, real, chosen, used, dense)
    else:
        mixed = _causal(q, k, v, real, chosen, used, _group_means(*grouped))
    mixed = mixed.flatten(2, 3).transpose(1, 2)  # (b, p, h, d)
    return mixed.masked_fill(~present[..., None, None], 0)[:, :p]


def path_of(query: torch.Tensor, block: int) -> str:
    """Return which form attends: "triton" on CUDA where Triton is installed and takes the sizes, else "torch"."""
    fits = query.is_cuda and query.dtype in (torch.float32, torch.bfloat16, torch.float16)
    return "triton" if fits and TRITON and block in TILES and query.shape[-1] in TILES else "torch"


def _blocked(x: torch.Tensor, block: int) -> torch.Tensor:
    return x.transpose(1, 2).unflatten(2, (-1, block)).contiguous()


def _both_ways(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    real: torch.Tensor,
    chosen: torch.Tensor,
    used: torch.Tensor,
    dense: int,
) -> torch.Tensor:
    """Dense rows for the first `dense` blocks, gathered blocks for the others: (b, h, n, block, d)."""
    parts = []
    if dense:
        logits = q[:, :, :dense].flatten(2, 3) @ k.flatten(2, 3).transpose(-1, -2)  # (b, h, dense * block, p)
        weight = weights_of(logits, v.dtype, bias_of(real.flatten(1)[:, None, None]))
        parts.append((weight @ v.flatten(2, 3)).unflatten(2, (dense, -1)))
    if dense < q.shape[2]:
        keys, values, allowed = _gather(k, v, real, chosen[:, :, dense:], used[:, :, dense:])
        parts.append(weights_of(q[:, :, dense:] @ keys.transpose(-1, -2), v.dtype, bias_of(allowed)) @ values)
    return torch.cat(parts, 2)


def _causal(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    real: torch.Tensor,
    chosen: torch.Tensor,
    used: torch.Tensor,
    means: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """Gathered blocks, the own one up to the query itself, and means of groups: (b, h, n, block, d)."""
    keys, values, allowed = _gather(k, v, real, chosen, used)
    mean_keys, mean_values, closed = means
    block, reach, levels = q.shape[3], keys.shape[3], closed.shape[-1]
    earlier = torch.ones(block, reach + levels, dtype=torch.bool, device=q.device)
    earlier[:, :block] = earlier[:, :block].tril()  # slot 0 is the query's own block
    logits = torch.cat([q @ keys.transpose(-1, -2), q @ mean_keys.transpose(-1, -2)], -1)
    allowed = torch.cat([allowed, closed[:, None, :, None].expand(-1, q.shape[1], -1, 1, -1)], -1)
    weight = weights_of(logits, v.dtype, bias_of(allowed), bias_of(earlier))
    return weight[..., :reach] @ values + weight[..., reach:] @ mean_values


def _gather(
    k: torch.Tensor, v: torch.Tensor, real: torch.Tensor, chosen: torch.Tensor, used: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Keys and values (b, h, m, slots * block, d) of the blocks chosen, and which may be read (b, h, m, 1, same)."""
    b, h, blocks, block, d = k.shape
    record = torch.arange(b, device=k.device)[:, None, None, None]
    head = torch.arange(h, device=k.device)[:, None, None]
    rows = (record * h + head) * blocks + chosen  # (b, h, m, slots)
    shape = rows.shape
    rows = rows.flatten()
    keys, values = (x.reshape(-1, block * d).index_select(0, rows).view(*shape[:3], -1, d) for x in (k, v))
    allowed = real.flatten(0, 1).index_select(0, (record * blocks + chosen).flatten()).view(*shape, block)
    return keys, values, (allowed & used[..., None]).flatten(-2)[..., None, :]


def bias_of(allowed: torch.Tensor) -> torch.Tensor:
    return torch.where(allowed, 0.0, LOW)


def weights_of(logits: torch.Tensor, dtype: torch.dtype, *biases: torch.Tensor) -> torch.Tensor:
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    for bias in biases:
        logits += bias
    return logits.softmax(-1).to(dtype)


def _group_means(
    key: torch.Tensor,
    value: torch.Tensor,
    places: torch.Tensor,
    present: torch.Tensor,
    block: int,
    rotary_base: float | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean keys and values (b, h, n, levels, d) that each block reads, and whether they exist: (b, n, levels) bool.

    Level k of block i is the aligned group of 2^k blocks of number floor(i / 2^k) - 1.
    """
    b, p, h, d = key.shape
    blocks = p // block
    depth = summary_levels(blocks)
    if not depth:
        mean = key.new_zeros(b, h, blocks, 0, d)
        return mean, mean, present.new_zeros(b, blocks, 0)
    mean_key, mean_value, known = _group_tables(key, value, places, present, block, rotary_base)
    own = torch.arange(blocks, device=key.device)
    before = [0, *accumulate((blocks - 1) >> level for level in range(1, depth))]  # groups of the levels below
    row = torch.stack([b + ((own >> k) - 1).clamp_min(0) for k, b in enumerate(before, 1)], -1)  # (n, levels)
    closed = known[:, row] & (own[:, None] >> torch.arange(1, depth + 1, device=own.device) > 0)
    means = (x.transpose(1, 2).index_select(2, row.flatten()).unflatten(2, row.shape) for x in (mean_key, mean_value))
    return *means, closed


def _no_tables(key: torch.Tensor, present: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    b, _, h, d = key.shape
    return key.new_zeros(b, 0, h, d), key.new_zeros(b, 0, h, d), present.new_zeros(b, 0)


def _group_tables(
    key: torch.Tensor,
    value: torch.Tensor,
    places: torch.Tensor,
    present: torch.Tensor,
    block: int,
    rotary_base: float | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean keys and values of groups (b, groups, h, d), level after level, and whether they have patches, (b, groups).

    Level k has the groups of 2^k blocks that some block reads, the first (n - 1) / 2^k of them. Sums are taken pair by
    pair, in float32 at least.
    """
    blocks = key.shape[1] // block
    kind = torch.promote_types(key.dtype, torch.float32)
    parts = [x.masked_fill(~present[..., None, None], 0).unflatten(1, (blocks, block)) for x in (key, value)]
    total = torch.cat([x.sum(2, dtype=kind) for x in parts], -1)  # (b, n, h, 2 d)
    facts = torch.stack([present.long(), places * present], -1).unflatten(1, (blocks, block)).sum(2)  # (b, n, 2)
    totals, counts = [], []
    for level in range(1, summary_levels(blocks) + 1):
        groups = (blocks - 1) >> level
        total, facts = (x[:, : 2 * groups].unflatten(1, (groups, 2)).sum(2) for x in (total, facts))
        totals.append(total)
        counts.append(facts)
    if not totals:
        return _no_tables(key, present)
    size, place = torch.cat(counts, 1).unbind(-1)
    count = size.clamp_min(1)
    mean_key, mean_value = (torch.cat(totals, 1) / count[..., None, None]).to(key.dtype).chunk(2, -1)
    return rotate(mean_key, place // count, rotary_base), mean_value, size > 0
