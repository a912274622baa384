"""Where the rows of a backbone lie: what operators may know of the patches besides their states."""

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Rows:
    """Geometry of a batch of patch states (b, p, D).

    Attributes:
        places: (b, p) int64, base coordinate of each patch's first byte, from its record's start.
        lengths: (b, p) int64, bases of each patch; 0 past a row's last patch.
        losses: auxiliary losses (scalars) that operators add on the way, for training.
    """

    places: torch.Tensor
    lengths: torch.Tensor
    losses: list[torch.Tensor] = field(default_factory=list)

    @property
    def present(self) -> torch.Tensor:
        """Which rows are patches: (b, p) bool, False at padding, which stands at the right."""
        return self.lengths > 0
