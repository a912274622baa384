"""Embeddings of few rows, each of which many bytes read."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

RUN, RUNS = 1024, 64
"""Bytes of a product of the gradient, and products that are made at a time."""


class FewRows(nn.Embedding):
    """An embedding whose gradient is summed by products of matrices where there is a GPU.

    torch's own sums what each row gets one after the other: the fewer the rows, the longer.
    """

    def forward(self, index: torch.Tensor) -> torch.Tensor:
        """Map int64 (...) to (..., d)."""
        return Lookup.apply(self.weight, index) if index.is_cuda else super().forward(index)


class Lookup(torch.autograd.Function):
    """Rows of a table, with a backward pass of its own: the same sum each time."""

    @staticmethod
    def forward(ctx, table, index):
        ctx.save_for_backward(index)
        ctx.rows = len(table)
        return F.embedding(index, table)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (index,) = ctx.saved_tensors
        return summed_rows(gradient.flatten(0, -2), index.flatten(), ctx.rows), None


def summed_rows(x: torch.Tensor, index: torch.Tensor, rows: int) -> torch.Tensor:
    """Sum rows (n, d) into the rows (rows, d) that `index` (n,) int64 names; sums run in float32 at least."""
    total = x.new_zeros(rows, x.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))
    names = torch.arange(rows, device=x.device)[:, None]
    for part, named in zip(x.split(RUN * RUNS), index.split(RUN * RUNS), strict=True):
        if missing := -len(part) % RUN:
            part, named = F.pad(part, (0, 0, 0, missing)), F.pad(named, (0, missing))
        chosen = (named.view(-1, 1, RUN) == names).to(part.dtype)  # (runs, rows, RUN)
        total += (chosen @ part.view(-1, RUN, part.shape[1])).sum(0, dtype=total.dtype)
    return total.to(x.dtype)
