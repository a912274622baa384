"""Patch geometry: starts, lengths, masks and ids of patches, for one record and for a padded batch.

Everything is a cumulative sum over a start mask; comparing every patch with every byte would
take p times l in time and memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genomelm.errors import InputError


def check_starts(starts: np.ndarray, length: int) -> np.ndarray:
    """Return `starts` as int64 (p,) if they cut `length` bytes into patches of at least one byte.

    Raises:
        InputError: they do not begin with 0, do not increase, or reach past the end.
    """
    starts = np.asarray(starts, np.int64)
    if starts.ndim != 1 or (starts.size == 0) != (length == 0):
        raise InputError(f"{length} bytes need a list of starts, [0] at least; got shape {starts.shape}")
    if length and (starts[0] != 0 or starts[-1] >= length or (np.diff(starts) < 1).any()):
        raise InputError(
            f"starts must be 0 first, increasing and below {length}; they are {starts[:5]} ... {starts[-1:]}"
        )
    return starts


def starts_to_lengths(starts: np.ndarray, length: int) -> np.ndarray:
    """Return patch lengths int64 (p,) of starts (p,) over `length` bytes."""
    return np.diff(check_starts(starts, length), append=length) if length else np.zeros(0, np.int64)


def lengths_to_starts(lengths: np.ndarray) -> np.ndarray:
    """Return starts int64 (p,) of patch lengths (p,); zeros on the right are padding.

    Raises:
        InputError: a length below 1 stands before one above 0.
    """
    lengths = np.trim_zeros(np.asarray(lengths, np.int64), "b")
    if (lengths < 1).any():
        raise InputError(f"patch lengths must be 1 or more; the smallest is {lengths.min()}")
    return np.cumsum(lengths) - lengths


def starts_to_mask(starts: np.ndarray, length: int) -> np.ndarray:
    """Return bool (l,), True where a patch starts."""
    mask = np.zeros(length, bool)
    mask[check_starts(starts, length)] = True
    return mask


def mask_to_starts(mask: np.ndarray) -> np.ndarray:
    """Return starts int64 (p,) of a start mask bool (l,)."""
    return check_starts(np.flatnonzero(mask), len(mask))


def patch_ids(mask: np.ndarray) -> np.ndarray:
    """Return the patch of each byte, int64 (..., l), from a start mask bool (..., l)."""
    return np.cumsum(mask, axis=-1) - 1


@dataclass(frozen=True)
class PatchBatch:
    """Patch boundaries of a batch of records, padded on the right to one length."""

    starts_mask: np.ndarray  # bool (b, l), True where a patch starts; False on padding
    lengths: np.ndarray  # int64 (b,), bytes of each record
    next_opens: np.ndarray  # bool (b,), whether the byte after the record would start a patch

    @property
    def patch_counts(self) -> np.ndarray:
        """Patches of each record, int64 (b,)."""
        return self.starts_mask.sum(axis=1)

    @property
    def byte_mask(self) -> np.ndarray:
        """Bool (b, l), True on bytes, False on padding."""
        return np.arange(self.starts_mask.shape[1]) < self.lengths[:, None]

    def patch_ids(self) -> np.ndarray:
        """The patch of each byte, int64 (b, l); padding has the id of the last patch (-1 in an empty record)."""
        return patch_ids(self.starts_mask)

    def patch_lengths(self) -> np.ndarray:
        """Bytes of each patch, int64 (b, p), 0 on padding."""
        rows, starts = np.nonzero(self.starts_mask)
        # A patch ends where the next one of its record starts, the last one at the record's end.
        ends = np.append(starts[1:], 0)
        last = np.append(rows[1:] != rows[:-1], True)[: len(rows)]
        ends = np.where(last, self.lengths[rows], ends[: len(rows)])
        counts = self.patch_counts
        out = np.zeros((len(counts), counts.max(initial=0)), np.int64)
        out[rows, np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]] = ends - starts
        return out

    def decoder_ids(self) -> np.ndarray:
        """The newest patch that each byte may read when it predicts the next one, int64 (b, l).

        d(i) = patch_id(i + 1) - 1: patch d(i) ends at or before byte i. -1 stands for the null patch.
        For a record's last byte, patch_id(l) follows from `next_opens`. Padding repeats that value.
        """
        opens = np.concatenate([self.starts_mask, np.zeros((len(self.lengths), 1), bool)], axis=1)
        opens[np.arange(len(self.lengths)), self.lengths] = self.next_opens
        return np.cumsum(opens, axis=1)[:, 1:] - 2

    def starts(self) -> list[np.ndarray]:
        """Starts int64 (p,) of each record."""
        return [np.flatnonzero(row) for row in self.starts_mask]


def pad_starts(
    starts: Sequence[np.ndarray],
    lengths: Sequence[int],
    width: int | None = None,
    next_opens: Sequence[bool] | None = None,
) -> PatchBatch:
    """Put records into one batch.

    Args:
        starts: int64 (p,) of each record.
        lengths: bytes of each record; 0 is allowed.
        width: bytes to pad to; the longest record by default.
        next_opens: whether the byte after each record would start a patch. Without it, none does: the last
            byte then reads one patch less, which leaks nothing.

    Raises:
        InputError: starts that do not fit their length, or a record longer than `width`.
    """
    sizes = np.asarray(lengths, np.int64).reshape(-1)
    longest = int(sizes.max(initial=0))
    if len(starts) != len(sizes) or (next_opens is not None and len(next_opens) != len(sizes)):
        raise InputError(
            f"{len(starts)} lists of starts came with {len(sizes)} lengths: one of each per record is needed"
        )
    if width is not None and longest > width:
        raise InputError(f"a record of {longest} bytes does not fit into a batch of width {width}")
    mask = np.zeros((len(sizes), longest if width is None else width), bool)
    for row, (record, size) in enumerate(zip(starts, sizes, strict=True)):
        mask[row, check_starts(record, int(size))] = True
    opens = np.zeros(len(sizes), bool) if next_opens is None else np.asarray(next_opens, bool)
    return PatchBatch(mask, sizes, opens)
