"""The language model's head: logits of bytes, and the loss over the alphabet's letters."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.head import Head
from genomelm.models.strands import complements
from genomelm.seq.alphabet import ALPHABETS, MODALITIES, VOCABULARY

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
        mixed = shell.alphabet == "mixed"
        self.read(MODALITIES[0] if mixed else shell.alphabet)
        self.every = LettersOfAll() if mixed else None
        self.register_buffer("complements", torch.from_numpy(complements().copy()), persistent=False)

    def read(self, alphabet: str) -> None:
        """Choose the alphabet of bytes whose modality is not given; heads of one alphabet have read theirs."""
        letters = letter_ids(alphabet)
        for name, value in (("letters", letters), ("classes", classes_of(letters, alphabet))):
            self.register_buffer(name, value.to(self.out.weight.device), persistent=False)

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

    def letter_weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weights (a, d) and biases (a,) of the alphabet's letters, as they are now."""
        return self._weights(self.letters)

    def _logits(self, states: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Map byte states (..., d), conjoined (..., 2d), to logits of the bytes `columns` (a,)."""
        return F.linear(states, *self._weights(columns))

    def _weights(self, columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weight, bias = self.out.weight[columns], self.out.bias[columns]
        if self.conjoined:
            other = self.complements[columns]
            weight = torch.cat([weight, self.out.weight[other]], 1) / 2
            bias = (bias + self.out.bias[other]) / 2
        return weight, bias

    def raw(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Map byte states to the letters' logits (b, l, a), which are all that the loss reads."""
        return self.letter_logits(states)

    one_strand = raw

    def loss(
        self,
        states: torch.Tensor,
        ids: torch.Tensor,
        mask: torch.Tensor | None,
        labels: torch.Tensor,
        modality: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the mean nats per scored base, a scalar; of weighted bases, the weighted mean.

        Args:
            states, ids, mask, labels: as of any Head.
            modality: (b, l) int64, alphabet of each byte's record; None: the one that is read.
            weights: (b, l) float32, of the bytes that are predicted; None: all the same.
        """
        if modality is None and weights is None:
            return super().loss(states, ids, mask, labels)
        nats, target = self.nats(states, labels, modality), self.targets(labels, modality)
        weights = (target != IGNORED) if weights is None else weights[:, self.shift :] * (target != IGNORED)
        total = weights.sum()
        return (nats * weights).sum() / total.masked_fill(total == 0, 1)

    def loss_of(self, raw: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean nats per scored base, a scalar."""
        target = self.targets(labels)
        scored = (target != IGNORED).sum()
        return self._nats(raw[:, : target.shape[1]], target).sum() / scored.clamp_min(1)

    def nats(self, states: torch.Tensor, labels: torch.Tensor, modality: torch.Tensor | None = None) -> torch.Tensor:
        """Return -ln p of each label, float32; 0 where it is not a letter of its record's alphabet.

        Causal: -ln p(labels[i+1] | bytes <= i), (b, l-1). Masked: -ln p(labels[i] | what is shown), (b, l). The
        letters of other alphabets have no probability.
        """
        rows = states[:, : states.shape[1] - self.shift]
        if modality is None:
            return self._nats(self.letter_logits(rows), self.targets(labels))
        foreign = self.every.foreign[modality[:, self.shift :]]
        logits = self._logits(rows, self.every.letters).float().masked_fill(foreign, -torch.inf)
        return self._nats(logits, self.targets(labels, modality))

    def _nats(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="none")
        return loss.view(target.shape)

    def targets(self, labels: torch.Tensor, modality: torch.Tensor | None = None) -> torch.Tensor:
        """Return the class of the byte that each row predicts, IGNORED if it is no letter: (b, l-1), masked (b, l).

        Classes are places in the alphabet that is read, or, with a modality, among the letters of all alphabets.
        """
        wanted = labels[:, self.shift :]
        known = wanted.clamp_min(0)
        classes = self.classes[known] if modality is None else self.every.classes[modality[:, self.shift :], known]
        return torch.where(wanted >= 0, classes, IGNORED)


class LettersOfAll(nn.Module):
    """The letters of all alphabets, for records of several.

    Attributes:
        letters: (u,) int64, ids of all letters.
        classes: (3, v) int64, place of each byte among them, IGNORED where it is no letter of the alphabet.
        foreign: (3, u) bool, letters that the alphabet has not.
    """

    def __init__(self) -> None:
        super().__init__()
        letters = torch.tensor(sorted({letter for name in MODALITIES for letter in ALPHABETS[name].letters.encode()}))
        classes = torch.stack([classes_of(letters, name) for name in MODALITIES])
        self.register_buffer("letters", letters, persistent=False)
        self.register_buffer("classes", classes, persistent=False)
        self.register_buffer("foreign", classes[:, letters] == IGNORED, persistent=False)


def letter_ids(alphabet: str) -> torch.Tensor:
    """Return the ids (a,) int64 of an alphabet's letters."""
    return torch.tensor([ord(letter) for letter in ALPHABETS[alphabet].letters])


def classes_of(letters: torch.Tensor, alphabet: str) -> torch.Tensor:
    """Return the place of each byte among `letters` (u,) int64, IGNORED where the alphabet has it not: (v,) int64."""
    classes = torch.full((VOCABULARY,), IGNORED)
    classes[letters] = torch.arange(len(letters))
    known = letter_ids(alphabet)
    return torch.full_like(classes, IGNORED).index_copy(0, known, classes[known])
