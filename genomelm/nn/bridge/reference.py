"""Loops in float64: the oracles of the bridge."""

import math

import torch


def segment_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, patch_ids: torch.Tensor
) -> torch.Tensor:
    """Let each patch's query attend over the bytes of that patch only.

    Args:
        query: (b, p, h, d).
        key, value: (b, l, h, d).
        patch_ids: (b, l) int64; -1 marks padding.

    Returns:
        (b, p, h, d) float64; zeros for patches without bytes.
    """
    b, p, h, d = query.shape
    out = torch.zeros(b, p, h, d, dtype=torch.float64)
    for row in range(b):
        for patch in range(p):
            members = (patch_ids[row] == patch).nonzero()[:, 0]
            if len(members):
                logits = torch.einsum("hd,lhd->lh", query[row, patch].double(), key[row, members].double())
                weight = torch.softmax(logits / math.sqrt(d), 0)
                out[row, patch] = torch.einsum("lh,lhd->hd", weight, value[row, members].double())
    return out


def windowed_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, newest: torch.Tensor, window: int
) -> torch.Tensor:
    """Let each byte attend over patches newest-window+1..newest and the null patch.

    Args:
        query: (b, l, h, d).
        key, value: (b, 1 + p, h, d); row 0 is the null patch.
        newest: (b, l) int64; -1 means the null patch only.
        window: number of patches.

    Returns:
        (b, l, h, d) float64.
    """
    b, length, h, d = query.shape
    out = torch.zeros(b, length, h, d, dtype=torch.float64)
    for row in range(b):
        for i in range(length):
            last = int(newest[row, i]) + 1  # row 0 of key and value is the null patch
            rows = [0, *range(max(1, last - window + 1), last + 1)]
            logits = torch.einsum("hd,khd->kh", query[row, i].double(), key[row, rows].double())
            weight = torch.softmax(logits / math.sqrt(d), 0)
            out[row, i] = torch.einsum("kh,khd->hd", weight, value[row, rows].double())
    return out
