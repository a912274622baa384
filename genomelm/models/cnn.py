"""A plain convolutional network over bytes: the opponent that sees a few dozen bases and nothing further."""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import InputError, UsageError
from genomelm.models.cnn_config import CNNBackboneConfig, CNNShellConfig
from genomelm.models.geometry import Patches
from genomelm.nn.letters import LetterEmbedding
from genomelm.nn.norm import RMSNorm
from genomelm.seq.alphabet import ALPHABETS, VOCABULARY


class ConvLayer(nn.Module):
    """gelu(conv(norm(x))), the convolution causal or centred, across all channels."""

    def __init__(self, width: int, taps: int, centred: bool) -> None:
        super().__init__()
        self.ahead = (taps - 1) // 2 if centred else 0
        self.norm = RMSNorm(width)
        self.conv = nn.Conv1d(width, width, taps)

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Map (b, l, d) to (b, l, d); bytes that are not `real` (b, l, 1) bool are read as zeros."""
        behind = self.conv.kernel_size[0] - 1 - self.ahead
        x = F.pad(self.norm(x).masked_fill(~real, 0).transpose(1, 2), (behind, self.ahead))
        return F.gelu(self.conv(x)).transpose(1, 2)


class CNNBackbone(nn.Module):
    """Layers in turn, and a last norm."""

    def __init__(self, width: int, taps: tuple[int, ...], centred: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ConvLayer(width, count, centred) for count in taps)
        self.norm = RMSNorm(width)
        self.gradient_checkpointing = False  # set by transformers, which hands over what a layer is then run by

    def forward(self, x: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Map (b, l, d) to (b, l, d); causal: row i from rows <= i."""
        saving = self.gradient_checkpointing and self.training
        for block in self.blocks:
            x = self._gradient_checkpointing_func(block, x, real) if saving else block(x, real)
        return self.norm(x)


class CNNShell(nn.Module):
    """Bytes in, byte states out. Patches are not read.

    Attributes:
        reach: bytes of padding that keep packed records apart.
    """

    def __init__(self, shell: CNNShellConfig, config: CNNBackboneConfig) -> None:
        super().__init__()
        self.reach = max(config.taps) - 1
        columns = torch.tensor([ord(letter) for letter in ALPHABETS[shell.alphabet].columns])
        self.bytes = LetterEmbedding(VOCABULARY, shell.local_width, columns)
        self.backbone = CNNBackbone(shell.local_width, config.taps, shell.objective == "masked")

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
            patches: geometry of the batch, for its padding only.
            letters: (b, l, a+1) float, weights of the alphabet's columns, read in place of the ids where those are
                letters; attribution differentiates through them.
            codon_phase, conservation: must be None.
            losses: left as it is.

        Returns:
            (b, l, d); causal: row i depends on bytes <= i of its record.

        Raises:
            UsageError: codon phases or a track were given.
            InputError: packed records stand closer than `reach`.
        """
        if codon_phase is not None or conservation is not None:
            raise UsageError("a convolutional network reads bases only: leave codon phases and conservation out")
        if patches.row is not None and patches.gap < self.reach:
            raise InputError(
                f"packed records stand {patches.gap} bytes apart, and this model's convolutions reach {self.reach}: "
                f"pack them with reach={self.reach}"
            )
        x = self.bytes(ids, letters)
        return self.backbone(x, (patches.ids >= 0)[..., None])
