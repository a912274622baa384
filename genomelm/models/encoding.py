"""From strings to a padded batch: BOS, ids, mask and patch starts."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genomelm.errors import InputError
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS, MASK, PAD, encode
from genomelm.seq.interval import Interval

HIDDEN_STRIDE = 7
"""Masked models are asked for every so many-th base at a time: about the share that training hides."""


@dataclass(frozen=True)
class Batch:
    """Model inputs of several records.

    Attributes:
        ids: (b, l) int64, BOS first, PAD after the end.
        mask: (b, l) bool, False at padding.
        starts: (b, l+1) bool, patch starts.
        references: how many of the first rows are reference alleles (variant effects); 0 otherwise.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    starts: torch.Tensor
    references: int = 0

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        return Batch(self.ids.to(device), self.mask.to(device), self.starts.to(device), self.references)

    def inputs(self) -> dict[str, torch.Tensor | int]:
        """Return the keyword arguments of GenomeModel.forward."""
        found = {"input_ids": self.ids, "attention_mask": self.mask, "patch_starts": self.starts}
        return {**found, "references": self.references} if self.references else found

    def hidden(self, where: torch.Tensor) -> "Batch":
        """Return the batch with MASK at the bytes (b, l) that `where` flags."""
        return dataclasses.replace(self, ids=torch.where(where & self.mask, MASK, self.ids))


def make_batch(records: Sequence[np.ndarray], starts: Sequence[np.ndarray], references: int = 0) -> Batch:
    """Pad records to one length.

    Args:
        records: ids (l,) int64 each, without BOS.
        starts: start flags (l+1,) bool each; the last tells whether the byte after the end would
            start a patch.
        references: how many of the first records are reference alleles.
    """
    length = 1 + max((len(r) for r in records), default=0)
    ids = np.full((len(records), length), PAD)
    mask = np.zeros((len(records), length), bool)
    flags = np.zeros((len(records), length + 1), bool)
    for row, (record, start) in enumerate(zip(records, starts, strict=True)):
        end = 1 + len(record)
        ids[row, 0], ids[row, 1:end] = BOS, record
        mask[row, :end] = True
        flags[row, 0], flags[row, 1 : end + 1] = True, start
        flags[row, 1] = True  # BOS is a patch of its own
    return Batch(torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(flags), references)


def task_marks(
    patcher: Patcher, ids: np.ndarray, reference: str, alphabet: str, place: Interval | None = None
) -> np.ndarray:
    """Return start flags (l+1,) of a record (l,): its task's reference's where that is as long, else its own."""
    if reference and len(reference) == len(ids):
        return patcher.marks(encode(reference, alphabet))
    return patcher.marks(ids, place)


def starts_of_rows(patcher: Patcher, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Segment the rows of a padded batch: (b, l+1) bool on the ids' device.

    Args:
        patcher: cuts each row from its own first byte.
        ids: (b, l) int64, with or without a BOS in front.
        mask: (b, l) bool, False at padding; None means no padding.

    Raises:
        InputError: padding stands before a byte.
    """
    if mask is not None and bool((mask[:, 1:] & ~mask[:, :-1]).any()):
        raise InputError("attention_mask has padding before a byte: pad on the right")
    rows = ids.cpu().numpy()
    flags = np.zeros((rows.shape[0], rows.shape[1] + 1), bool)
    ends = np.full(len(rows), rows.shape[1]) if mask is None else mask.sum(1).cpu().numpy()
    for row, end in zip(range(len(rows)), ends, strict=True):
        first = int(end > 0 and rows[row, 0] == BOS)
        flags[row, 0] = True
        flags[row, first : end + 1] |= patcher.marks(rows[row, first:end])
        flags[row, first] = True
    return torch.from_numpy(flags).to(ids.device)
