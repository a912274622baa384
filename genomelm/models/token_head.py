"""The head that predicts something of each byte."""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.language_head import IGNORED


class TokenHead(nn.Module):
    """One prediction a byte: byte states -> silu layer -> linear. One output is a binary class, several are classes."""

    def __init__(self, shell: ShellConfig, head: HeadConfig) -> None:
        super().__init__()
        d = shell.local_width
        self.hidden = nn.Linear(d, d)
        self.dropout = nn.Dropout(head.dropout)
        self.out = nn.Linear(d, head.outputs)
        nn.init.normal_(self.out.weight, std=d**-0.5)
        nn.init.zeros_(self.out.bias)

    def forward(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map byte states (b, l, d) to logits (b, l, n) float32."""
        return self.out(self.dropout(F.silu(self.hidden(states)))).float()

    def loss(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, labels: torch.Tensor
    ) -> torch.Tensor:
        """Return the mean loss over the bytes whose label (b, l) is not IGNORED, a scalar."""
        logits, known = self(states, ids, mask), labels != IGNORED
        if logits.shape[-1] == 1:
            each = F.binary_cross_entropy_with_logits(logits[..., 0], labels.clamp_min(0).float(), reduction="none")
        else:
            each = F.cross_entropy(logits.flatten(0, 1), labels.clamp_min(0).long().flatten(), reduction="none")
        return (each.view(labels.shape) * known).sum() / known.sum().clamp_min(1)
