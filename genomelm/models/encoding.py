"""From strings to a padded batch: BOS, ids, mask and patch starts."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genomelm.errors import InputError, UsageError
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS, MASK, PAD, encode
from genomelm.seq.codons import NO_PHASE
from genomelm.seq.interval import Interval

PACK = 64
"""Records of a packed row start at multiples of so many bytes."""

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
        reverse: (b, l+1) bool, patch starts of the rows' reverse complements, for conjoined models.
        codon_phase: (b, l) int64, 0, 1 or 2, NO_PHASE where there is none; None: none anywhere.
        conservation: (b, l) float32, a track's values, NaN where it has none; None: none anywhere.
        records: (b, l) int64, packed rows: number of the record that each byte belongs to, -1 at padding.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    starts: torch.Tensor
    references: int = 0
    reverse: torch.Tensor | None = None
    codon_phase: torch.Tensor | None = None
    conservation: torch.Tensor | None = None
    records: torch.Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        tensors = {name: x.to(device) for name, x in vars(self).items() if isinstance(x, torch.Tensor)}
        return dataclasses.replace(self, **tensors)

    def inputs(self) -> dict[str, torch.Tensor | int]:
        """Return the keyword arguments of GenomeModel.forward."""
        found = {"input_ids": self.ids, "attention_mask": self.mask, "patch_starts": self.starts}
        more = {
            "references": self.references or None,
            "patch_starts_reverse": self.reverse,
            "codon_phase": self.codon_phase,
            "conservation": self.conservation,
            "records": self.records,
        }
        return found | {name: value for name, value in more.items() if value is not None}

    def hidden(self, where: torch.Tensor) -> "Batch":
        """Return the batch with MASK at the bytes (b, l) that `where` flags."""
        return dataclasses.replace(self, ids=torch.where(where & self.mask, MASK, self.ids))


def make_batch(
    records: Sequence[np.ndarray],
    starts: Sequence[np.ndarray],
    references: int = 0,
    reverse: Sequence[np.ndarray] | None = None,
    codon_phase: Sequence[np.ndarray] | None = None,
    conservation: Sequence[np.ndarray] | None = None,
) -> Batch:
    """Pad records to one length.

    Args:
        records: ids (l,) int64 each, without BOS.
        starts: start flags (l+1,) bool each; the last tells whether the byte after the end would
            start a patch.
        references: how many of the first records are reference alleles.
        reverse: start flags of the records' reverse complements, for conjoined models.
        codon_phase: (l,) int64 of each record; None: none.
        conservation: (l,) float32 of each record, NaN where there is no value; None: none.
    """
    length = 1 + max((len(r) for r in records), default=0)
    places = [(row, 0) for row in range(len(records))]
    batch = _laid_out(records, starts, places, (len(records), length), codon_phase, conservation)
    there = None if reverse is None else _starts_laid_out(reverse, places, (len(records), length))
    return dataclasses.replace(batch, references=references, reverse=there)


def pack(
    records: Sequence[np.ndarray],
    starts: Sequence[np.ndarray],
    length: int,
    reach: int = PACK,
    codon_phase: Sequence[np.ndarray] | None = None,
    conservation: Sequence[np.ndarray] | None = None,
) -> Batch:
    """Lay several records side by side in rows; a model makes of each what it makes of it alone.

    Each record has its own BOS and goes to the first row with room for it, behind those before it: at the next
    multiple of PACK bytes that leaves `reach` bytes of padding.

    Args:
        records: ids (l,) int64 each, without BOS.
        starts: start flags (l+1,) bool each.
        length: bytes of a row.
        reach: bytes that a model's convolutions see; ByteLatentShell.reach.
        codon_phase, conservation: as make_batch takes them.

    Returns:
        Batch whose `records` holds each byte's place in the list of records.

    Raises:
        UsageError: a record is longer than a row.
    """
    ends: list[int] = []  # of each row, its last record's
    places = []
    for number, record in enumerate(records):
        size = 1 + len(record)
        if size > length:
            raise UsageError(
                f"record {number} has {len(record)} letters, and a row has room for {length - 1}: make rows longer"
            )
        firsts = [-(-(end + max(reach, 1)) // PACK) * PACK for end in ends]
        row = next((row for row, first in enumerate(firsts) if first + size <= length), len(ends))
        if row == len(ends):
            ends.append(0)
            firsts.append(0)
        ends[row] = firsts[row] + size
        places.append((row, firsts[row]))
    numbers = np.full((len(ends), length), -1)
    for number, ((row, first), record) in enumerate(zip(places, records, strict=True)):
        numbers[row, first : first + 1 + len(record)] = number
    batch = _laid_out(records, starts, places, numbers.shape, codon_phase, conservation)
    return dataclasses.replace(batch, records=torch.from_numpy(numbers))


def _laid_out(
    records: Sequence[np.ndarray],
    starts: Sequence[np.ndarray],
    places: Sequence[tuple[int, int]],
    shape: tuple[int, int],
    codon_phase: Sequence[np.ndarray] | None,
    conservation: Sequence[np.ndarray] | None,
) -> Batch:
    """Return records behind their BOS in rows of `shape`, each from its place (row, byte) on."""
    ids, mask = np.full(shape, PAD), np.zeros(shape, bool)
    for (row, first), record in zip(places, records, strict=True):
        end = first + 1 + len(record)
        ids[row, first], ids[row, first + 1 : end] = BOS, record
        mask[row, first:end] = True
    tracks = {}
    for name, values, missing in (
        ("codon_phase", codon_phase, np.int64(NO_PHASE)),
        ("conservation", conservation, np.float32(np.nan)),
    ):
        if values is not None:
            track = np.full(shape, missing)
            for (row, first), value in zip(places, values, strict=True):
                track[row, first + 1 : first + 1 + len(value)] = value
            tracks[name] = torch.from_numpy(track)
    return Batch(torch.from_numpy(ids), torch.from_numpy(mask), _starts_laid_out(starts, places, shape), **tracks)


def _starts_laid_out(
    starts: Sequence[np.ndarray], places: Sequence[tuple[int, int]], shape: tuple[int, int]
) -> torch.Tensor:
    """Return start flags (l+1,) each in rows behind their BOS, (b, length + 1) bool."""
    flags = np.zeros((shape[0], shape[1] + 1), bool)
    for (row, first), start in zip(places, starts, strict=True):
        flags[row, first + 1 : first + 1 + len(start)] = start
        flags[row, first : first + 2] = True  # BOS is a patch of its own
    return torch.from_numpy(flags)


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
