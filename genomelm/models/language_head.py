"""The language model's head: logits of bytes, and the loss over the alphabet's letters."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.head import Head
from genomelm.models.strands import complements
from genomelm.seq.alphabet import ALPHABETS, VOCABULARY

IGNORED = -100
"""Label of a position that is left out of the loss, as in transformers."""

BITS = 1.0 / math.log(2.0)
"""Bits in a nat."""


class ByteLMHead(Head):
    """Logits of the next byte (causal), or of the byte itself where it is hidden (masked).

    The loss runs over the alphabet's letters only: bits per base. Of a conjoined model's other strand a byte's logit
    is that of its complement.
    """

    def __init__(self, shell: ShellConfig, head: HeadConfig) -> None:
        super().__init__(shell)
        self.shift = int(head.kind == "causal_lm")  # row i predicts byte i + shift
        self.out = nn.Linear(shell.local_width, VOCABULARY)
        nn.init.normal_(self.out.weight, std=0.02)
        letters = torch.tensor([ord(letter) for letter in ALPHABETS[shell.alphabet].letters])
        classes = torch.full((VOCABULARY,), IGNORED)
        classes[letters] = torch.arange(len(letters))
        self.register_buffer("letters", letters, persistent=False)
        self.register_buffer("classes", classes, persistent=False)
        self.register_buffer("complements", torch.from_numpy(complements().copy()), persistent=False)

    def forward(
        self, states: torch.Tensor, ids: torch.Tensor | None = None, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map byte states (..., d) to logits (..., v)."""
        if not self.conjoined:
            return self.out(states)
        return self._logits(states, torch.arange(VOCABULARY, device=states.device))

    def letter_logits(self, states: torch.Tensor) -> torch.Tensor:
        """Map byte states (..., d) to logits of the alphabet's letters: (..., a) float32."""
        return self._logits(states, self.letters).float()

    def _logits(self, states: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Map byte states (..., d), conjoined (..., 2d), to logits of the bytes `columns` (a,)."""
        weight, bias = self.out.weight[columns], self.out.bias[columns]
        if self.conjoined:
            other = self.complements[columns]
            weight = torch.cat([weight, self.out.weight[other]], 1) / 2
            bias = (bias + self.out.bias[other]) / 2
        return F.linear(states, weight, bias)

    def raw(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map byte states to the letters' logits (b, l, a), which are all that the loss reads."""
        return self.letter_logits(states)

    one_strand = raw

    def nats(self, states: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return -ln p of each label, float32; 0 where it is not a letter.

        Causal: -ln p(labels[i+1] | bytes <= i), (b, l-1). Masked: -ln p(labels[i] | what is shown), (b, l).
        """
        return self._nats(self.letter_logits(states[:, : states.shape[1] - self.shift]), self.targets(labels))

    def _nats(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="none")
        return loss.view(target.shape)

    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """Return the class of the byte that each row predicts, IGNORED if it is no letter: (b, l-1), masked (b, l)."""
        wanted = labels[:, self.shift :]
        return torch.where(wanted >= 0, self.classes[wanted.clamp_min(0)], IGNORED)

    def loss_of(self, raw: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean nats per scored base, a scalar."""
        target = self.targets(labels)
        scored = (target != IGNORED).sum()
        return self._nats(raw[:, : target.shape[1]], target).sum() / scored.clamp_min(1)
