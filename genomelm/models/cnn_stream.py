"""A causal convolutional network that reads its sequences piece by piece, from the last rows of each layer's input."""

import numpy as np
import torch
import torch.nn.functional as F

from genomelm.models.model import GenomeModel
from genomelm.nn.tape import Tape


class CNNStream:
    """Sequences that grow side by side, as `stream.Stream` is for models in the byte-latent shell; no patch is read.

    Attributes:
        constant_state: True: a layer reads as many rows as it has taps.
    """

    constant_state = True

    def __init__(self, model: GenomeModel) -> None:
        """Stand before the first byte of one sequence.

        Args:
            model: a causal network in a CNNShell. Its weights must stay as they are.
        """
        self._shell, self._letters = model.shell, model.head.letter_weights()
        self._device = model.device
        self._layers = model.shell.backbone.blocks
        # What each tap makes of a row, beside each other: (d, taps * d).
        self._weights = [layer.conv.weight.transpose(1, 2).flatten(1).contiguous() for layer in self._layers]
        self._reaches = [layer.conv.kernel_size[0] - 1 for layer in self._layers]
        width = len(self._weights[0])
        self._tapes = [Tape(self._weights[0].new_zeros(reach, 1, width)) for reach in self._reaches]
        self._last = self._weights[0].new_zeros(1, width)

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept of the sequences."""
        return sum(tape.nbytes for tape in self._tapes)

    def repeat(self, count: int) -> "CNNStream":
        """Return a stream of `count` sequences that begin as this one's only sequence does; this one stays usable."""
        other = object.__new__(CNNStream)
        vars(other).update(vars(self))
        other._tapes = [tape.repeat(count, reach) for tape, reach in zip(self._tapes, self._reaches, strict=True)]
        other._last = self._last.repeat(count, 1)
        return other

    def logits(self) -> torch.Tensor:
        """Return the logits of the next letter: (b, a) float32."""
        return F.linear(self._last, *self._letters).float()

    def take(self, ids: np.ndarray, marks: np.ndarray) -> None:
        """Read the next bytes (b, k) int64; where patches start, `marks`, says nothing here."""
        x = self._shell.bytes(torch.from_numpy(np.ascontiguousarray(ids)).to(self._device))
        x = self._one(x[:, 0]) if x.shape[1] == 1 else self._several(x)
        self._last = self._shell.backbone.norm(x)

    def _one(self, x: torch.Tensor) -> torch.Tensor:
        """Run the layers on one byte's embedding (b, d)."""
        for layer, weight, tape, reach in zip(self._layers, self._weights, self._tapes, self._reaches, strict=True):
            tape.write(layer.norm(x), reach)
            x = F.linear(tape.newest(reach + 1).transpose(0, 1).flatten(1), weight, layer.conv.bias)
            x = x * torch.special.ndtr(x)  # GELU, whose own call costs several times as much at one row
        return x

    def _several(self, x: torch.Tensor) -> torch.Tensor:
        """Run the layers on the embeddings of several bytes (b, k, d); return the last one's (b, d)."""
        for number, (layer, reach) in enumerate(zip(self._layers, self._reaches, strict=True)):
            rows = torch.cat([self._tapes[number].newest(reach).transpose(0, 1), layer.norm(x)], 1)
            self._tapes[number] = Tape(rows[:, rows.shape[1] - reach :].transpose(0, 1))
            x = F.gelu(layer.conv(rows.transpose(1, 2))).transpose(1, 2)
        return x[:, -1]
