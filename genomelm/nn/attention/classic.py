"""Attention as first published: every weight is written down, and nothing is kept for the next row."""

import math

import torch
from torch import nn

from genomelm.errors import UsageError
from genomelm.nn.attention.shares import LOW, read_shares
from genomelm.nn.rows import Rows


class ClassicAttention(nn.Module):
    """Dense attention whose (b, h, p, p) weights stand in memory (Vaswani et al. 2017, arXiv:1706.03762).

    A control for `SlidingAttention`: it is told of no positions, and cannot decode row by row.

    Args:
        width: d.
        heads: attention heads.
        bidirectional: False: row j is made from rows <= j.

    Raises:
        UsageError: the width does not split into the heads.
    """

    constant_state = False

    def __init__(self, width: int, heads: int, bidirectional: bool = False) -> None:
        super().__init__()
        if width % heads:
            raise UsageError(
                f"the width of the patch states is {width}, which does not split into {heads} attention heads: choose "
                f"a multiple of {heads}"
            )
        self.heads, self.bidirectional = heads, bidirectional
        self.into = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Mix (b, p, d) along p; zeros where not present.

        Args:
            x: (b, p, d).
            rows: geometry; what stands at padding is not read.
        """
        p, real = x.shape[1], rows.present
        query, key, value = self._project(x, real)
        logits = torch.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(query.shape[-1])
        allowed = real[:, None, None]
        if not self.bidirectional:
            allowed = allowed & torch.ones(p, p, dtype=torch.bool, device=x.device).tril()
        weight = logits.float().masked_fill(~allowed, LOW).softmax(-1).to(value.dtype)
        y = torch.einsum("bhqk,bkhd->bqhd", weight, value)
        return self.out(y.flatten(-2)).masked_fill(~real[..., None], 0)

    def weights(self, x: torch.Tensor, rows: Rows, queries: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
        """Return what some rows read, (b, h, q, p); the arguments are those of `SlidingAttention.weights`."""
        query, key, _ = self._project(x, rows.present)
        lag = queries[:, None] - torch.arange(x.shape[1], device=x.device)
        allowed = torch.ones_like(lag, dtype=torch.bool) if self.bidirectional else lag >= 0
        return read_shares(query[:, queries][:, :, heads], key[:, :, heads], allowed, rows.present, queries)

    def initial_state(self, batch: int) -> None:
        """Refuse to decode row by row.

        Raises:
            UsageError: always.
        """
        raise UsageError("the classic transformer keeps no keys and values: use one whose backbone.classic is false")

    def extend(self, x: torch.Tensor, rows: Rows, state: None) -> None:
        """Refuse to decode row by row, as `initial_state` does."""
        self.initial_state(len(x))

    def _project(self, x: torch.Tensor, real: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = x.masked_fill(~real[..., None], 0)
        return self.into(x).unflatten(-1, (3, self.heads, -1)).unbind(2)
