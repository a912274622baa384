"""The language model's head: logits of bytes, and the loss over the alphabet's letters."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.seq.alphabet import ALPHABETS, VOCABULARY

IGNORED = -100
"""Label of a position that is left out of the loss, as in transformers."""

BITS = 1.0 / math.log(2.0)
"""Bits in a nat."""


class ByteLMHead(nn.Module):
    """Logits of the next byte (causal), or of the byte itself where it is hidden (masked).

    The loss runs over the alphabet's letters only: bits per base.
    """

    def __init__(self, shell: ShellConfig, head: HeadConfig) -> None:
        super().__init__()
        self.shift = int(head.kind == "causal_lm")  # row i predicts byte i + shift
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
        """Return -ln p of each label, float32; 0 where it is not a letter.

        Causal: -ln p(labels[i+1] | bytes <= i), (b, l-1). Masked: -ln p(labels[i] | what is shown), (b, l).
        """
        target = self.targets(labels)
        logits = self.letter_logits(states[:, : target.shape[1]])
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="none")
        return loss.view(target.shape)

    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """Return the class of the byte that each row predicts, IGNORED if it is no letter: (b, l-1), masked (b, l)."""
        wanted = labels[:, self.shift :]
        return torch.where(wanted >= 0, self.classes[wanted.clamp_min(0)], IGNORED)

    def loss(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, labels: torch.Tensor
    ) -> torch.Tensor:
        """Return the mean nats per scored base, a scalar."""
        scored = (self.targets(labels) != IGNORED).sum()
        return self.nats(states, labels).sum() / scored.clamp_min(1)
