"""What rows read of others, for looking at: the softmax that kernels never write down."""

import math

import torch

LOW = -1e30
"""Stands for minus infinity, and stays finite where all keys are masked."""


def read_shares(
    query: torch.Tensor,
    key: torch.Tensor,
    allowed: torch.Tensor,
    present: torch.Tensor,
    queries: torch.Tensor,
    bias: torch.Tensor | float = 0.0,
) -> torch.Tensor:
    """Return the weights of all keys for some queries.

    Args:
        query: (b, q, h, d), the queries that are looked at.
        key: (b, p, h, d).
        allowed: bool, (q, p) or (b or 1, h, q, p): keys that may be read where they are real.
        present: (b, p) bool, real rows.
        queries: (q,) int64, rows of the queries.
        bias: added to the logits, (b, h, q, p).

    Returns:
        (b, h, q, p) float32 at least; zeros for queries at padding.
    """
    kind = torch.promote_types(query.dtype, torch.float32)
    logits = torch.einsum("bqhd,bkhd->bhqk", query.to(kind), key.to(kind)) / math.sqrt(query.shape[-1]) + bias
    weight = logits.masked_fill(~(allowed & present[:, None, None]), LOW).softmax(-1)
    return weight.masked_fill(~present[:, queries][:, None, :, None], 0)
