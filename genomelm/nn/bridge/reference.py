"""Loops in float64: the oracles of the bridge."""

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
        patch_ids: (b, l) int64; -1 marks padding.
        row: (b, l) int64, the row of `query` that each byte's patch is in; None: the byte's own.

    Returns:
        (r, p, h, d) float64; zeros for patches without bytes.
    """
    r, p, h, d = query.shape
    if row is None:
        row = torch.arange(len(key))[:, None].expand_as(patch_ids)
    out = torch.zeros(r, p, h, d, dtype=torch.float64)
    for n in range(r):
        for patch in range(p):
            members = (patch_ids == patch) & (row == n)  # (b, l)
            if members.any():
                logits = torch.einsum("hd,lhd->lh", query[n, patch].double(), key[members].double())
                weight = torch.softmax(logits / math.sqrt(d), 0)
                out[n, patch] = torch.einsum("lh,lhd->hd", weight, value[members].double())
    return out


def windowed_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    newest: torch.Tensor,
    window: int,
    row: torch.Tensor | None = None,
) -> torch.Tensor:
    """Let each byte attend over patches newest-window+1..newest and the null patch.

    Args:
        query: (b, l, h, d).
        key, value: (r, 1 + p, h, d); their first is the null patch.
        newest: (b, l) int64; -1 means the null patch only.
        window: number of patches.
        row: (b, l) int64, the row of `key` whose patches each byte reads; None: its own.

    Returns:
        (b, l, h, d) float64.
    """
    b, length, h, d = query.shape
    out = torch.zeros(b, length, h, d, dtype=torch.float64)
    for n in range(b):
        for i in range(length):
            theirs = n if row is None else int(row[n, i])
            last = int(newest[n, i]) + 1  # the null patch is number 0
            read = [0, *range(max(1, last - window + 1), last + 1)]
            logits = torch.einsum("hd,khd->kh", query[n, i].double(), key[theirs, read].double())
            weight = torch.softmax(logits / math.sqrt(d), 0)
            out[n, i] = torch.einsum("kh,khd->hd", weight, value[theirs, read].double())
    return out
