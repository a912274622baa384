"""What every head shares: outputs from byte states of one strand or both, and the loss of those outputs."""

import abc

import torch
from torch import nn

from genomelm.models.config import HeadConfig, ShellConfig


class Head(nn.Module, abc.ABC):
    """Byte states -> outputs -> loss.

    A conjoined model hands over the states of both strands, (b, l, 2d), those of the other strand at this strand's
    places; the outputs are then the mean over the strands, and the loss is that of the mean.
    """

    def __init__(self, shell: ShellConfig) -> None:
        super().__init__()
        self.conjoined = shell.conjoined

    def keep_units(self, head: HeadConfig) -> None:
        """Set `mean` and `scale`, the units of a regression: numbers, or one for each output as float32 (n,)."""
        for name, values, value in (("mean", head.means, head.mean), ("scale", head.scales, head.scale)):
            if values:
                self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)
            else:
                setattr(self, name, value)

    def forward(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, **pairs: int) -> torch.Tensor:
        """Return the outputs in the labels' units.

        Args:
            states: (b, l, d), conjoined (b, l, 2d).
            ids: (b, l) int64.
            mask: (b, l), 0 at padding; None means no padding.
            pairs: `references`, for variant effects.
        """
        return self.in_units(self.raw(states, ids, mask, **pairs))

    def loss(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, labels: torch.Tensor, **pairs: int
    ) -> torch.Tensor:
        """Return the mean loss, a scalar."""
        return self.loss_of(self.raw(states, ids, mask, **pairs), labels)

    def raw(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, **pairs: int) -> torch.Tensor:
        """Return what the loss reads: float32 outputs, of a regression in deviations from the mean."""
        if not self.conjoined:
            return self.one_strand(states, ids, mask, **pairs)
        here, there = states.chunk(2, -1)
        return (self.one_strand(here, ids, mask, **pairs) + self.other_strand(there, ids, mask, **pairs)) / 2

    @abc.abstractmethod
    def one_strand(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, **pairs: int
    ) -> torch.Tensor:
        """Return the raw outputs of the states (b, l, d) of a batch's own strand."""

    def other_strand(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, **pairs: int
    ) -> torch.Tensor:
        """Return the raw outputs of the other strand's states (b, l, d), which stand at this strand's places.

        As they are, for heads to which the order of bytes says nothing.
        """
        return self.one_strand(states, ids, mask, **pairs)

    def in_units(self, raw: torch.Tensor) -> torch.Tensor:
        """Return raw outputs in the labels' units."""
        return raw

    @abc.abstractmethod
    def loss_of(self, raw: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of raw outputs, a scalar."""
