"""The head that predicts something of each byte."""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.head import Head
from genomelm.models.language_head import IGNORED


class TokenHead(Head):
    """One prediction a byte: byte states -> silu layer -> linear.

    One output is a binary class, several are classes; of a regression each output is a track.
    """

    def __init__(self, shell: ShellConfig, head: HeadConfig) -> None:
        super().__init__(shell)
        d = shell.local_width
        self.kind = head.kind
        self.keep_units(head)
        self.hidden = nn.Linear(d, d)
        self.dropout = nn.Dropout(head.dropout)
        self.out = nn.Linear(d, head.outputs)
        nn.init.normal_(self.out.weight, std=d**-0.5)
        nn.init.zeros_(self.out.bias)

    def one_strand(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map byte states (b, l, d) to raw outputs (b, l, n) float32."""
        return self.out(self.dropout(F.silu(self.hidden(states)))).float()

    def in_units(self, raw: torch.Tensor) -> torch.Tensor:
        """Return logits (b, l, n), or a track's values in the labels' units."""
        return raw * self.scale + self.mean if self.kind == "regression" else raw

    def loss_of(self, raw: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss over the labelled bytes, a scalar.

        Args:
            raw: (b, l, n).
            labels: classes (b, l), IGNORED where there is no label; of a regression numbers (b, l) or (b, l, n), NaN
                where there is none (-100 is a number).
        """
        if self.kind == "regression":
            labels = labels.float().view_as(raw)
            known = ~labels.isnan()
            each = (raw - ((labels - self.mean) / self.scale).masked_fill(~known, 0)).square()
        elif raw.shape[-1] == 1:
            known = labels != IGNORED
            each = F.binary_cross_entropy_with_logits(raw[..., 0], labels.clamp_min(0).float(), reduction="none")
        else:
            known = labels != IGNORED
            each = F.cross_entropy(raw.flatten(0, 1), labels.clamp_min(0).long().flatten(), reduction="none")
        return (each.view(labels.shape) * known).sum() / known.sum().clamp_min(1)
