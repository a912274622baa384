"""Patch geometry of a batch as tensors: everything by cumsum over the start mask."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Patches:
    """Which byte lies in which patch, and which patch each byte may read.

    Attributes:
        ids: (b, l) int64, patch of each byte, -1 at padding.
        newest: (b, l) int64, the last patch that byte i may read. Causal: the last one closed by then,
            patch_id(i+1) - 1, -1 meaning none. Masked: `ahead` patches past its own, as far as there are any.
        count: number of patches p of the longest row.
    """

    ids: torch.Tensor
    newest: torch.Tensor
    count: int

    @classmethod
    def from_starts(cls, starts: torch.Tensor, mask: torch.Tensor | None = None, ahead: int | None = None) -> "Patches":
        """Build the geometry.

        Args:
            starts: (b, l+1) bool; column k says whether a patch starts at byte k. The last column
                decides, as in generation, whether the byte after the end would open a patch.
            mask: (b, l) bool, False at padding (right side only); None means no padding.
            ahead: patches that a byte may read past its own (masked models); None: closed ones only.
        """
        order = torch.cumsum(starts, 1) - 1  # (b, l+1)
        ids, newest = order[:, :-1], order[:, 1:] - 1
        if mask is not None:
            ids = torch.where(mask, ids, -1)
        count = int(ids.max()) + 1 if ids.numel() else 0
        if ahead is not None and ids.shape[1]:
            newest = torch.minimum(ids + ahead, ids.amax(1, keepdim=True))
        return cls(ids, newest.clamp_max(max(count - 1, -1)), count)

    def _rows(self) -> torch.Tensor:
        offset = torch.arange(self.ids.shape[0], device=self.ids.device)[:, None] * self.count
        return torch.where(self.ids >= 0, self.ids + offset, self.ids.shape[0] * self.count).reshape(-1)

    def sum_bytes(self, x: torch.Tensor) -> torch.Tensor:
        """Sum byte states (b, l, d) inside each patch: (b, p, d)."""
        b, _, d = x.shape
        total = x.new_zeros(b * self.count + 1, d).index_add(0, self._rows(), x.reshape(-1, d))
        return total[:-1].view(b, self.count, d)

    def lengths(self, length: int) -> torch.Tensor:
        """Return bytes in each patch: (b, p) int64, 0 past a row's last patch."""
        b = self.ids.shape[0]
        total = torch.zeros(b * self.count + 1, dtype=torch.int64, device=self.ids.device)
        total = total.index_add(0, self._rows(), torch.ones(b * length, dtype=torch.int64, device=total.device))
        return total[:-1].view(b, self.count)

    def first_byte(self, length: int) -> torch.Tensor:
        """Return the coordinate of each patch's first byte: (b, p) int64."""
        lengths = self.lengths(length)
        return torch.cumsum(lengths, 1) - lengths

    def distance(self, length: int) -> torch.Tensor:
        """Return each byte's distance since its patch start: (b, l) int64, 0 at padding."""
        here = torch.arange(length, device=self.ids.device)
        first = torch.gather(self.first_byte(length), 1, self.ids.clamp_min(0))
        return torch.where(self.ids >= 0, here - first, 0)
