"""A penalty on distance in place of turned queries and keys (ALiBi, Press et al. 2022, arXiv:2108.12409)."""

import torch

PATCH = 8.0
"""Bases that count as one token of the published slopes."""


def slopes_of(heads: int) -> torch.Tensor:
    """Return the published slope of each head, 2^(-8 i / heads) for i = 1..heads: (h,) float32."""
    return torch.exp2(-8.0 * torch.arange(1, heads + 1) / heads)


def penalty(slopes: torch.Tensor, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """Return what distance takes from the logits: -slope * |bases| / 8.

    Bases, not patches: patches are unequal, and the same two places are as far apart whatever the cut between them.

    Args:
        slopes: (h,) float.
        queries, keys: (b, q) and (b, k) int64, base coordinates.

    Returns:
        (b, h, q, k), the dtype of the slopes.
    """
    bases = (queries[:, :, None] - keys[:, None]).abs()  # whole numbers: exact
    return -slopes[:, None, None] / PATCH * bases[:, None].to(slopes.dtype)
