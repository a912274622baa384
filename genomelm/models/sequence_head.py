"""Heads that pool the byte states of a row into one prediction."""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.head import Head
from genomelm.seq.alphabet import BOS


class Pooling(Head):
    """One vector a row: the mean of its byte states, beside what a few learned queries look up.

    The queries look for what a mean washes out, such as one binding site. BOS and padding are left out.
    """

    def __init__(self, shell: ShellConfig, head: HeadConfig) -> None:
        super().__init__(shell)
        d = shell.local_width
        if d % head.queries:
            raise UsageError(f"head.queries is {head.queries}, which does not divide local_width {d}: choose a divisor")
        self.queries = head.queries
        self.attention = nn.Linear(d, head.queries)
        self.value = nn.Linear(d, d)

    def pooled(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map byte states (b, l, d) to (b, 2d)."""
        kept = (ids != BOS if mask is None else (ids != BOS) & mask.bool())[..., None]  # (b, l, 1)
        weight = kept.to(states.dtype)
        mean = (states * weight).sum(1) / weight.sum(1).clamp_min(1)
        # A large finite number keeps a row without bases finite.
        focus = torch.softmax(self.attention(states).masked_fill(~kept, -1e4), 1)  # (b, l, queries)
        value = self.value(states).unflatten(-1, (self.queries, -1))  # (b, l, queries, d/queries)
        return torch.cat([mean, (focus[..., None] * value).sum(1).flatten(-2)], -1)


class SequenceHead(Pooling):
    """One prediction a sequence: pooled byte states -> tanh pooler -> linear.

    With several classes the loss is cross entropy, with one it is binary cross entropy, as it is for each of several
    labels that do not exclude each other; for a regression it is the squared error in units of the labels' deviation.
    """

    def __init__(self, shell: ShellConfig, head: HeadConfig) -> None:
        super().__init__(shell, head)
        d = shell.local_width
        self.kind, self.multi_label = head.kind, head.multi_label
        self.keep_units(head)
        self.pool = nn.Linear(2 * d, d)
        self.dropout = nn.Dropout(head.dropout)
        self.out = nn.Linear(d, head.outputs)
        nn.init.normal_(self.out.weight, std=d**-0.5)
        nn.init.zeros_(self.out.bias)

    def one_strand(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map byte states (b, l, d) to raw outputs (b, n)."""
        return self.out(self.dropout(torch.tanh(self.pool(self.pooled(states, ids, mask))))).float()

    def in_units(self, raw: torch.Tensor) -> torch.Tensor:
        """Return outputs (b, n) in the labels' units."""
        return raw * self.scale + self.mean

    def loss_of(self, raw: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss over the batch, a scalar."""
        if self.kind == "regression":
            return F.mse_loss(raw, (labels.float().view_as(raw) - self.mean) / self.scale)
        if raw.shape[1] == 1:
            return F.binary_cross_entropy_with_logits(raw[:, 0], labels.float().view(-1))
        if self.multi_label:
            return F.binary_cross_entropy_with_logits(raw, labels.float().view_as(raw))
        return F.cross_entropy(raw, labels.long().view(-1))
