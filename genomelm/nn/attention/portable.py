"""Softmax attention in plain torch: over windows of keys, O(p * window), or over all keys."""

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from genomelm.nn.attention.penalty import penalty
from genomelm.nn.frames import frames

BLOCK = 64
"""Queries of a block of windowed attention, where the window is not larger."""

SLICE = 512
"""Queries whose penalties over all keys are held at once."""


def windowed(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    real: torch.Tensor,
    back: int,
    ahead: int,
    slopes: torch.Tensor | None = None,
    places: torch.Tensor | None = None,
) -> torch.Tensor:
    """Let each query attend over the keys from `back` rows before it to `ahead` rows after it.

    Args:
        query: (b, p, h, d), p >= 1.
        key, value: (b, back + p + ahead, h, d): those before the first query's row and after the last one's included.
        real: (b, back + p + ahead) bool, keys that may be read. A query always reads its own row.
        back, ahead: rows.
        slopes: (h,) of a penalty on distance; None: none.
        places: (b, back + p + ahead) int64, base coordinates of the keys; read with slopes only.

    Returns:
        (b, p, h, d).
    """
    b, p, h, d = query.shape
    block = min(max(BLOCK, back + 1), p)
    count = -(-p // block)
    size = -(-(block + back + ahead) // 8) * 8  # fast kernels want whole eights
    after = (count - 1) * block + size - real.shape[1]
    query = F.pad(query, (0, 0, 0, 0, 0, count * block - p)).unflatten(1, (count, block))
    keys, values = (_windows(rows, after, size, block) for rows in (key, value))  # (b * n, h, size, d)
    lag = torch.arange(block, device=real.device)[:, None] + back - torch.arange(size, device=real.device)
    near = (lag >= -ahead) & (lag <= back)  # (block, size)
    seen = frames(F.pad(real, (0, after)), 1, size, block)[:, :, None]  # (b, n, 1, size)
    allowed = (near & (seen | (lag == 0))).flatten(0, 1)[:, None]  # (b * n, 1, block, size)
    query = query.transpose(2, 3).flatten(0, 1)  # (b * n, h, block, d)
    if slopes is not None:
        of_keys = frames(F.pad(places, (0, after)), 1, size, block).flatten(0, 1)  # (b * n, size)
        allowed = _added(penalty(slopes, of_keys[:, back : back + block], of_keys), allowed, query.dtype)
    y = F.scaled_dot_product_attention(query, keys, values, allowed)
    return y.view(b, count, h, block, d).transpose(2, 3).flatten(1, 2)[:, :p]


def one(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    real: torch.Tensor,
    slopes: torch.Tensor | None,
    place: torch.Tensor,
    places: torch.Tensor,
) -> torch.Tensor:
    """Let one row of each record attend over the keys that are real, its own among them.

    Args:
        query: (b, 1, h, d).
        key, value: (b, w, h, d).
        real: (b, w) bool.
        slopes: (h,) of a penalty on distance; None: none.
        place, places: (b, 1) and (b, w) int64, base coordinates of the row and of the keys.

    Returns:
        (b, 1, h, d).
    """
    allowed = real[:, None, None]  # (b, 1, 1, w)
    if slopes is not None:
        allowed = _added(penalty(slopes, place, places), allowed, query.dtype)
    query, key, value = (rows.transpose(1, 2) for rows in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, allowed).transpose(1, 2)


def dense(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, real: torch.Tensor | None, causal: bool
) -> torch.Tensor:
    """Let each query attend over all keys, or over those up to its own row.

    Args:
        query: (b, k, h, d): the last k of the p rows.
        key, value: (b, p, h, d).
        real: (b, p) bool, keys that may be read, of both-sided attention; None: all.
        causal: a row's query reads no later key.

    Returns:
        (b, k, h, d).
    """
    queries, keys = query.shape[1], key.shape[1]
    mask = None
    if real is not None:
        mask = real.clone()
        mask[:, 0] = True  # a record without rows reads something, and its output is not read
        mask = mask[:, None, None].expand(-1, 1, queries, -1)
    elif causal and 1 < queries < keys:
        mask = torch.ones(queries, keys, dtype=torch.bool, device=query.device).tril(keys - queries)
    query, key, value = (rows.transpose(1, 2) for rows in (query, key, value))
    y = F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal and queries == keys)
    return y.transpose(1, 2)


def penalised(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    real: torch.Tensor | None,
    causal: bool,
    slopes: torch.Tensor,
    places: torch.Tensor,
) -> torch.Tensor:
    """Do as `dense`, with a penalty on distance: slopes (h,), and the keys' base coordinates (b, p) int64.

    A kernel wants each pair's penalty in memory, which would be p * p of them for every record and head: they are made
    for SLICE queries at a time, and once more in the backward pass.
    """
    query, key, value = (rows.transpose(1, 2) for rows in (query, key, value))  # (b, h, k or p, d)
    before = key.shape[2] - query.shape[2]

    def run(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, first: int, last: int) -> torch.Tensor:
        own, of_keys = torch.arange(first, last, device=places.device), torch.arange(key.shape[2], device=places.device)
        allowed = of_keys <= own[:, None] if causal else (of_keys == 0) | real[:, None, None]
        bias = _added(penalty(slopes, places[:, first:last], places[:, : key.shape[2]]), allowed, query.dtype)
        return F.scaled_dot_product_attention(query, key, value, bias)

    parts = []
    for start in range(0, query.shape[2], SLICE):
        part = query[:, :, start : start + SLICE]
        first, last = before + start, before + start + part.shape[2]
        reach = last if causal else key.shape[2]
        given = (part, key[:, :, :reach], value[:, :, :reach], first, last)
        alone = part.shape[2] == query.shape[2] or not torch.is_grad_enabled() or part.device.type == "xla"
        parts.append(run(*given) if alone else checkpoint(run, *given, use_reentrant=False, preserve_rng_state=False))
    return torch.cat(parts, 2).transpose(1, 2)


def _added(penalties: torch.Tensor, allowed: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return what is added to logits: penalties (b, h, q, k), and minus infinity where a key may not be read."""
    return penalties.masked_fill(~allowed, -torch.inf).to(dtype)


def _windows(rows: torch.Tensor, after: int, size: int, step: int) -> torch.Tensor:
    """Return windows of `size` rows, every `step` rows, over (b, p, h, d) and zeros after it: (b * n, h, size, d)."""
    return frames(F.pad(rows, (0, 0, 0, 0, 0, after)), 1, size, step).transpose(-1, -2).flatten(0, 1)
