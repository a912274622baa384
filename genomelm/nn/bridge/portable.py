"""Plain torch, memory O(l): no dense patch-by-byte mask is ever made."""

import math

import torch


def segment_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    patch_ids: torch.Tensor,
    row: torch.Tensor | None = None,
) -> torch.Tensor:
    """Let each patch's query attend over the bytes of that patch only.

    Args:
        query: (r, p, h, d).
        key, value: (b, l, h, d).
        patch_ids: (b, l) int64; -1 marks padding, which belongs to no patch.
        row: (b, l) int64, the row of `query` that each byte's patch is in; None: the byte's own (r = b).

    Returns:
        (r, p, h, d); zeros for patches without bytes.
    """
    r, p, h, d = query.shape
    rows = _flat_rows(patch_ids, r, p, row)  # (bytes,), the last row collects padding
    reach = torch.cat([query.reshape(r * p, h * d), query.new_zeros(1, h * d)]).index_select(0, rows)
    logits = (reach.view(-1, h, d) * key.reshape(-1, h, d)).sum(-1) / math.sqrt(d)  # (b*l, h)
    peak = logits.new_full((r * p + 1, h), -torch.inf)
    peak = peak.scatter_reduce(0, rows[:, None].expand(-1, h), logits.detach(), "amax")
    weight = torch.exp(logits - peak.index_select(0, rows))
    total = weight.new_zeros(r * p + 1, h).index_add(0, rows, weight)
    mixed = (weight[..., None] * value.reshape(-1, h, d)).reshape(-1, h * d)
    summed = mixed.new_zeros(r * p + 1, h * d).index_add(0, rows, mixed)
    out = summed.view(-1, h, d)[: r * p] / total[: r * p].clamp_min(torch.finfo(total.dtype).tiny)[..., None]
    return out.view(r, p, h, d)


def windowed_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    newest: torch.Tensor,
    window: int,
    row: torch.Tensor | None = None,
) -> torch.Tensor:
    """Let each byte attend over its `window` nearest allowed patches and the null patch.

    Args:
        query: (b, l, h, d).
        key, value: (r, 1 + p, h, d); their first is the null patch.
        newest: (b, l) int64, the last patch that byte i may read; -1 means the null patch only.
        window: number of patches.
        row: (b, l) int64, the row of `key` whose patches each byte reads; None: its own (r = b).

    Returns:
        (b, l, h, d). No softmax is empty, because the null patch is always allowed.
    """
    b, length, h, d = query.shape
    first = (torch.arange(b, device=newest.device)[:, None] if row is None else row) * key.shape[1]
    flat_key, flat_value = key.reshape(-1, h * d), value.reshape(-1, h * d)
    logits, values = [], []
    for back in range(window + 1):  # the last turn is the null patch itself
        patch = newest + 1 - back if back < window else torch.zeros_like(newest)
        index = (first + patch.clamp_min(0)).reshape(-1)
        score = (query * flat_key.index_select(0, index).view(b, length, h, d)).sum(-1) / math.sqrt(d)  # (b, l, h)
        if back < window:
            score = score.masked_fill((patch < 1)[..., None], -torch.inf)
        logits.append(score)
        values.append(flat_value.index_select(0, index).view(b, length, h, d))
    weight = torch.softmax(torch.stack(logits), 0)  # (window+1, b, l, h)
    return sum(w[..., None] * v for w, v in zip(weight, values, strict=True))


def _flat_rows(patch_ids: torch.Tensor, rows: int, patches: int, row: torch.Tensor | None) -> torch.Tensor:
    row = torch.arange(rows, device=patch_ids.device)[:, None] if row is None else row
    return torch.where(patch_ids >= 0, patch_ids + row * patches, rows * patches).reshape(-1)
