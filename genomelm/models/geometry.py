"""Patch geometry of a batch as tensors: everything by cumsum over the start mask.

A row of bytes holds one record, or several (a packed row). The backbone always has one row a record, so its rows are
those of the batch only where nothing is packed.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

from genomelm.errors import InputError
from genomelm.nn.rows import padded_count

UNSTARTED, PADDED_BEFORE = -1, -2
"""In place of a number of patches: what is wrong with the flags or the mask."""


@dataclass(frozen=True)
class Patches:
    """Which byte lies in which patch, and which patch each byte may read.

    Attributes:
        ids: (b, l) int64, patch of each byte in its record, -1 at padding.
        newest: (b, l) int64, the last patch of its record that byte i may read. Causal: the last one closed by then,
            patch_id(i+1) - 1, -1 meaning none. Masked: `ahead` patches past its own, as far as there are any.
        count: patches p of a backbone's row: those of the longest record (off the CPU up to a bucket).
        rows: r, records of the batch.
        places: (l,), or (b, l) where packed, int64: base coordinate of each byte from its record's start.
        row: (b, l) int64, which of the r records each byte belongs to; None: row n is record n.
        gap: packed: fewest bytes of padding between two records.
    """

    ids: torch.Tensor
    newest: torch.Tensor
    count: int
    rows: int
    places: torch.Tensor
    row: torch.Tensor | None = None
    gap: int = 0

    @classmethod
    def from_starts(
        cls,
        starts: torch.Tensor,
        mask: torch.Tensor | None = None,
        ahead: int | None = None,
        records: torch.Tensor | None = None,
    ) -> "Patches":
        """Build the geometry.

        Args:
            starts: (b, l+1) bool; column k says whether a patch starts at byte k. The column after a
                record's end decides, as in generation, whether the byte after it would open a patch.
            mask: (b, l) bool, False at padding (right side only); None means no padding.
            ahead: patches that a byte may read past its own (masked models); None: closed ones only.
            records: (b, l) int64, packed rows: number of each byte's record, -1 at padding. `mask` follows from it.
        """
        if records is not None:
            return cls._packed(starts, records, ahead)
        order = torch.cumsum(starts, 1, dtype=torch.int64) - 1  # (b, l+1); XLA would add flags up as flags
        ids, newest = order[:, :-1], order[:, 1:] - 1
        unstarted = ids[:, 0] < 0
        if mask is not None:
            unstarted = unstarted & mask[:, 0]
            ids = torch.where(mask, ids, -1)
        # One number for all that is asked of the device: a GPU is waited for each time.
        found = torch.where(unstarted.any(), UNSTARTED, ids.max() + 1)
        if mask is not None:
            found = torch.where((mask[:, 1:] & ~mask[:, :-1]).any(), PADDED_BEFORE, found)
        count = int(found)
        if count == PADDED_BEFORE:
            raise InputError("attention_mask has padding before a byte: pad on the right")
        if count == UNSTARTED:
            raise InputError("a row's first byte starts no patch: patch_starts[:, 0] is True where there are bytes")
        if ahead is not None:
            newest = torch.minimum(ids + ahead, ids.amax(1, keepdim=True))
        places = torch.arange(ids.shape[1], device=ids.device)
        newest = newest.clamp_max(max(count - 1, -1))
        return cls(ids, newest, padded_count(count, ids.device), len(ids), places)

    @classmethod
    def _packed(cls, starts: torch.Tensor, records: torch.Tensor, ahead: int | None) -> "Patches":
        real, here = records >= 0, torch.arange(records.shape[1], device=records.device).expand_as(records)
        before = torch.nn.functional.pad(records, (1, 0), value=-1)[:, :-1]
        first = real & (records != before)  # (b, l): the byte opens a record
        order = torch.cumsum(starts[:, :-1] & real, 1, dtype=torch.int64) - 1
        opened = torch.cummax(torch.where(first, order, -1), 1).values  # number of the record's first patch
        ids = torch.where(real, order - opened, -1)
        row = (torch.cumsum(first.flatten(), 0, dtype=torch.int64) - 1).clamp_min(0).view_as(records)
        last_real = torch.cummax(torch.where(real, here, -1), 1).values
        last_real = torch.nn.functional.pad(last_real, (1, 0), value=-1)[:, :-1]
        gaps = torch.where(first & (last_real >= 0), here - 1 - last_real, here.shape[1])
        count, rows, gap = torch.stack([ids.max() + 1, first.sum(), gaps.min()]).tolist()
        newest = ids + starts[:, 1:] - 1
        if ahead is not None:
            last = torch.full((max(rows, 1),), -1, device=ids.device)
            last = last.scatter_reduce(0, row.flatten(), ids.flatten(), "amax")
            newest = torch.minimum(ids + ahead, last[row])
        places = here - torch.cummax(torch.where(first, here, 0), 1).values
        return cls(ids, newest, padded_count(count, ids.device), rows, places, row, gap)

    @cached_property
    def slots(self) -> torch.Tensor:
        """Each byte's place among all r * p patches: (b * l,) int64, r * p at padding."""
        row = torch.arange(self.rows, device=self.ids.device)[:, None] if self.row is None else self.row
        return torch.where(self.ids >= 0, self.ids + row * self.count, self.rows * self.count).flatten()

    def sum_bytes(self, x: torch.Tensor) -> torch.Tensor:
        """Sum byte states (b, l, d) inside each patch: (r, p, d)."""
        d = x.shape[-1]
        total = x.new_zeros(self.rows * self.count + 1, d).index_add(0, self.slots, x.reshape(-1, d))
        return total[:-1].view(self.rows, self.count, d)

    def mean_bytes(self, x: torch.Tensor) -> torch.Tensor:
        """Average byte states (b, l, d) over each patch: (r, p, d), 0 where a patch has no bytes."""
        return self.sum_bytes(x) / self._lengths.clamp_min(1)[..., None].to(x.dtype)

    def mean_known(self, track: torch.Tensor) -> torch.Tensor:
        """Average a track (b, l) float32 over each patch's bytes that have a value: (r, p), NaN where none has."""
        known = ~track.isnan()
        total, count = self.sum_bytes(torch.stack([track.nan_to_num(), known.to(track.dtype)], -1)).unbind(-1)
        return total / count

    @cached_property
    def _lengths(self) -> torch.Tensor:
        total = torch.zeros(self.rows * self.count + 1, dtype=torch.int64, device=self.ids.device)
        return total.index_add(0, self.slots, torch.ones_like(self.slots))[:-1].view(self.rows, self.count)

    def lengths(self) -> torch.Tensor:
        """Return bytes in each patch: (r, p) int64, 0 past a record's last patch."""
        return self._lengths

    def first_byte(self) -> torch.Tensor:
        """Return the coordinate of each patch's first byte, from its record's start: (r, p) int64."""
        return torch.cumsum(self._lengths, 1) - self._lengths

    def distance(self) -> torch.Tensor:
        """Return each byte's distance since its patch start: (b, l) int64, 0 at padding."""
        first = torch.nn.functional.pad(self.first_byte().flatten(), (0, 1))[self.slots].view_as(self.ids)
        return torch.where(self.ids >= 0, self.places - first, 0)
