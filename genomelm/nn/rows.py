"""Where the rows of a backbone lie: what operators may know of the patches besides their states."""

from dataclasses import dataclass, field

import torch

from genomelm.nn.positions import angles, rates

LEAST = 16
"""Rows of the smallest bucket."""


@dataclass(frozen=True)
class Rows:
    """Geometry of a batch of patch states (b, p, D).

    Attributes:
        places: (b, p) int64, base coordinate of each patch's first byte, from its record's start.
        lengths: (b, p) int64, bases of each patch; 0 past a row's last patch.
        losses: auxiliary losses (scalars) that operators add on the way, for training.
        rates: rotary rates that were worked out so far; rows that follow one another may share them.
    """

    places: torch.Tensor
    lengths: torch.Tensor
    losses: list[torch.Tensor] = field(default_factory=list)
    rates: dict[tuple[int, float], torch.Tensor] = field(default_factory=dict)
    _turns: dict[tuple[int, float], tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict, init=False)

    def turn(self, count: int, base: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cosine and sine (b, p, count) of the rotary angles of `places`; all operators share them."""
        if (count, base) not in self._turns:
            if (count, base) not in self.rates:
                self.rates[count, base] = rates(count, base, self.places.device)
            angle = angles(self.places, self.rates[count, base])
            self._turns[count, base] = angle.cos(), angle.sin()
        return self._turns[count, base]

    @property
    def present(self) -> torch.Tensor:
        """Which rows are patches: (b, p) bool, False at padding, which stands at the right."""
        return self.lengths > 0


def padded_count(count: int, device: torch.device) -> int:
    """Return the rows that so many are padded to: exact on the CPU, elsewhere a bucket's, so that shapes are few."""
    return count if device.type == "cpu" else bucket(count)


def bucket(count: int) -> int:
    """Return the least of 16 + (16, 20, 24, 28, 32, 40, 48, 56, 64, 80, ...) that holds `count`.

    From 32 on it is less than a quarter more. Windows of 2^n patches, with one of BOS, need the 16 and no more.
    """
    rest = max(count - LEAST, LEAST)
    quarter = 1 << ((rest - 1).bit_length() - 3)  # a quarter of the power of two below
    return LEAST - (-rest // quarter) * quarter
