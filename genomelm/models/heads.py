"""Heads: what turns byte states into logits, and the loss that goes with each."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.seq.alphabet import ALPHABETS, BOS, VOCABULARY

IGNORED = -100
"""Label of a position that is left out of the loss, as in transformers."""


class ByteLMHead(nn.Module):
    """Logits of the next byte. The loss runs over the alphabet's letters only: bits per base."""

    def __init__(self, shell: ShellConfig, head: HeadConfig) -> None:
        super().__init__()
        self.out = nn.Linear(shell.local_width, VOCABULARY)
        nn.init.normal_(self.out.weight, std=0.02)
        letters = torch.tensor([ord(letter) for letter in ALPHABETS[shell.alphabet].letters])
        classes = torch.full((VOCABULARY,), IGNORED)
        classes[letters] = torch.arange(len(letters))
        self.register_buffer("letters", letters, persistent=False)
        self.register_buffer("classes", classes, persistent=False)

    def forward(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map byte states (b, l, d) to logits (b, l, v)."""
        return self.out(states)

    def letter_logits(self, states: torch.Tensor) -> torch.Tensor:
        """Map byte states (b, l, d) to logits of the alphabet's letters: (b, l, a) float32."""
        return F.linear(states, self.out.weight[self.letters], self.out.bias[self.letters]).float()

    def nats(self, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return -ln p(labels[i+1] | bytes <= i): (b, l-1) float32; 0 where the label is not a letter."""
        logits = self.letter_logits(states[:, :-1])
        target = self.targets(labels)
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="none")
        return loss.view(target.shape)

    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """Return the class (b, l-1) of each next byte, IGNORED where it is not a letter."""
        following = labels[:, 1:]
        return torch.where(following >= 0, self.classes[following.clamp_min(0)], IGNORED)

    def loss(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, labels: torch.Tensor
    ) -> torch.Tensor:
        """Return the mean nats per scored base, a scalar."""
        scored = (self.targets(labels) != IGNORED).sum()
        return self.nats(states, labels).sum() / scored.clamp_min(1)


class SequenceHead(nn.Module):
    """One vector a sequence: mean and attention pooling of byte states -> tanh pooler -> linear.

    The attention pooling lets a few learned queries look for what a mean washes out, such as one
    binding site. With several classes the loss is cross entropy, with one it is binary cross
    entropy, and for a regression it is the squared error in units of the labels' deviation.
    """

    def __init__(self, shell: ShellConfig, head: HeadConfig) -> None:
        super().__init__()
        d = shell.local_width
        if d % head.queries:
            raise UsageError(f"head.queries is {head.queries}, which does not divide local_width {d}: choose a divisor")
        self.kind, self.queries = head.kind, head.queries
        self.mean, self.scale = head.mean, head.scale
        self.attention = nn.Linear(d, head.queries)
        self.value = nn.Linear(d, d)
        self.pool = nn.Linear(2 * d, d)
        self.dropout = nn.Dropout(head.dropout)
        self.out = nn.Linear(d, head.outputs)
        nn.init.normal_(self.out.weight, std=d**-0.5)
        nn.init.zeros_(self.out.bias)

    def forward(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map byte states (b, l, d) to (b, n), in the labels' units."""
        return self._raw(states, ids, mask) * self.scale + self.mean

    def _raw(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        kept = (ids != BOS if mask is None else (ids != BOS) & mask.bool())[..., None]  # (b, l, 1)
        weight = kept.to(states.dtype)
        mean = (states * weight).sum(1) / weight.sum(1).clamp_min(1)
        # A large finite number keeps a row without bases finite.
        focus = torch.softmax(self.attention(states).masked_fill(~kept, -1e4), 1)  # (b, l, queries)
        value = self.value(states).unflatten(-1, (self.queries, -1))  # (b, l, queries, d/queries)
        looked_up = (focus[..., None] * value).sum(1).flatten(-2)
        return self.out(self.dropout(torch.tanh(self.pool(torch.cat([mean, looked_up], -1))))).float()

    def loss(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, labels: torch.Tensor
    ) -> torch.Tensor:
        """Return the mean loss over the batch, a scalar."""
        raw = self._raw(states, ids, mask)
        if self.kind == "regression":
            return F.mse_loss(raw, (labels.float().view_as(raw) - self.mean) / self.scale)
        if raw.shape[1] == 1:
            return F.binary_cross_entropy_with_logits(raw[:, 0], labels.float().view(-1))
        return F.cross_entropy(raw, labels.long().view(-1))


HEADS = {"causal_lm": ByteLMHead, "sequence_classification": SequenceHead, "regression": SequenceHead}

BITS = 1.0 / math.log(2.0)
"""Bits in a nat."""
