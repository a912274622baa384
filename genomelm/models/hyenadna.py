"""HyenaDNA as published (Nguyen et al. 2023, arXiv:2306.15794): every byte is a token of the backbone.

It was trained without BOS. Here BOS, which stands before every record, takes no part: its state is zero, nothing
reads it, and all bases get the numbers that the published model gives them. A language head without biases then says
of the first base what the published model does: nothing, that is, the same of all letters.
"""

import logging

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.geometry import Patches
from genomelm.models.hyenadna_config import HyenaDNABackboneConfig, HyenaDNAShellConfig
from genomelm.nn.hyena.published import PublishedFilter, PublishedOperator
from genomelm.nn.letters import LetterEmbedding
from genomelm.seq.alphabet import ALPHABETS, BOS, VOCABULARY

log = logging.getLogger(__name__)


class HyenaDNABlock(nn.Module):
    """x + mixer(norm(x)), then x + mlp(norm(x)), with layer norms and a GELU."""

    def __init__(self, width: int, config: HyenaDNABackboneConfig) -> None:
        super().__init__()
        implicit = PublishedFilter(
            width, config.longest, config.filter_features, config.filter_hidden, config.shift
        )  # fmt: skip
        self.mixer_norm = nn.LayerNorm(width)
        self.mixer = PublishedOperator(width, implicit)
        self.mlp_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, config.hidden)
        self.down = nn.Linear(config.hidden, width)

    def forward(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Map (b, l, d) to (b, l, d); `present` (b, l, 1) bool."""
        x = x + self.mixer(self.mixer_norm(x), present)
        return x + self.down(F.gelu(self.up(self.mlp_norm(x)), approximate="tanh"))


class HyenaDNABackbone(nn.Module):
    """A stack of blocks with a last norm."""

    def __init__(self, width: int, config: HyenaDNABackboneConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(HyenaDNABlock(width, config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.gradient_checkpointing = False  # set by transformers, which hands over what a block is then run by

    def forward(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Map (b, l, d) to (b, l, d): row i from the rows <= i that are `present` (b, l, 1)."""
        saving = self.gradient_checkpointing and self.training
        for block in self.blocks:
            x = self._gradient_checkpointing_func(block, x, present) if saving else block(x, present)
        return self.norm(x)


class HyenaDNAShell(nn.Module):
    """Bytes in, byte states out. Patches are not read: each byte is one.

    Attributes:
        reach: bytes of padding that keep packed records apart: none, as the backbone has one row a record.
    """

    reach = 0

    def __init__(self, shell: HyenaDNAShellConfig, config: HyenaDNABackboneConfig) -> None:
        super().__init__()
        self.longest = config.longest
        self.noticed = False
        columns = torch.tensor([ord(letter) for letter in ALPHABETS[shell.alphabet].columns])
        self.bytes = LetterEmbedding(VOCABULARY, shell.local_width, columns)
        self.backbone = HyenaDNABackbone(shell.local_width, config)
        nn.init.normal_(self.bytes.weight, std=0.02)

    def forward(
        self,
        ids: torch.Tensor,
        patches: Patches,
        letters: torch.Tensor | None = None,
        codon_phase: torch.Tensor | None = None,
        conservation: torch.Tensor | None = None,
        losses: list[torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return byte states.

        Args:
            ids: (b, l) int64, vocabulary of seq.alphabet.
            patches: geometry of the batch, for its records only.
            letters: (b, l, a+1) float, weights of the alphabet's columns, read in place of the ids where those are
                letters; attribution differentiates through them.
            codon_phase, conservation: must be None.
            losses: left as it is.

        Returns:
            (b, l, d); row i depends on bytes <= i of its record; 0 at BOS.

        Raises:
            UsageError: codon phases or a track were given.
        """
        if codon_phase is not None or conservation is not None:
            raise UsageError("HyenaDNA reads bases only: leave codon phases and conservation out")
        x, present = self.bytes(ids, letters), (ids != BOS)[..., None]
        if patches.row is None:
            states = self._states(x, present)
        else:
            real = patches.ids >= 0
            width = int(patches.places.masked_fill(~real, 0).max()) + 1  # bytes of the longest record
            slots = torch.where(real, patches.row * width + patches.places, patches.rows * width).flatten()
            apart = [_laid_out(part, slots, patches.rows, width) for part in (x, present)]
            states = F.pad(self._states(*apart).flatten(0, 1), (0, 0, 0, 1))[slots].view_as(x)
        return states.masked_fill(~present, 0)

    def _states(self, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """Map (r, l, d) to (r, l, d), a row a record."""
        if not self.noticed and x.shape[1] > self.longest and int(present.sum(1).max()) > self.longest:
            self.noticed = True
            log.warning(
                "sequences of %d bases are longer than the %d that this HyenaDNA was made for (its filters count lags "
                "in shares of that length): a base sees no further back than that",
                x.shape[1] - 1,
                self.longest,
            )
        return self.backbone(x, present)


def _laid_out(x: torch.Tensor, slots: torch.Tensor, rows: int, width: int) -> torch.Tensor:
    """Move bytes (b, l, d) to their places in rows of one record each: (r, width, d), 0 where there is none."""
    flat = x.new_zeros(rows * width + 1, x.shape[-1]).index_put((slots,), x.flatten(0, 1))
    return flat[:-1].view(rows, width, -1)
