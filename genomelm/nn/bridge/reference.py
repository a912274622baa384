"""Loops in float64: the oracles of the bridge."""

import math

import torch


def segment_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, patch_ids: torch.Tensor) -> torch.Tensor:
    """For each patch, attend with its query over its own bytes. Shapes as in portable.py; float64 out."""
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


def windowed_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, newest: torch.Tensor, window: int) -> torch.Tensor:
    """For each byte, attend over patches newest-window+1..newest (and the null patch). float64 out."""
    b, l, h, d = query.shape
    out = torch.zeros(b, l, h, d, dtype=torch.float64)
    for row in range(b):
        for i in range(l):
            last = int(newest[row, i]) + 1  # row 0 of key and value is the null patch
            rows = [0] + list(range(max(1, last - window + 1), last + 1))
            logits = torch.einsum("hd,khd->kh", query[row, i].double(), key[row, rows].double())
            weight = torch.softmax(logits / math.sqrt(d), 0)
            out[row, i] = torch.einsum("kh,khd->hd", weight, value[row, rows].double())
    return out
