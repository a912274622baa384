"""From strings to a padded batch: BOS, ids, mask and patch starts."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genomelm.errors import InputError, UsageError
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS, MASK, MODALITIES, PAD, encode
from genomelm.seq.codons import NO_PHASE
from genomelm.seq.interval import Interval

PACK = 8
"""Records of a packed row start at multiples of so many bytes. (Over patches each has a row of its own.)"""

HIDDEN_STRIDE = 7
"""Masked models are asked for every so many-th base at a time: about the share that training hides."""

MISSING = {"codon_phase": np.int64(NO_PHASE), "conservation": np.float32(np.nan), "weights": np.float32(0)}
"""What stands at padding and BOS, of each thing that bytes are told."""


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
        modality: (b, l) int64, alphabet of each byte's record by its number in MODALITIES, 0 at padding; None: the
            alphabet that the model reads.
        weights: (b, l) float32, weight of each byte in a language model's loss; None: all weigh the same.
        task: the only task of a multi-task model that the rows are of; None: of all, or the model has one head.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    starts: torch.Tensor
    references: int = 0
    reverse: torch.Tensor | None = None
    codon_phase: torch.Tensor | None = None
    conservation: torch.Tensor | None = None
    records: torch.Tensor | None = None
    modality: torch.Tensor | None = None
    weights: torch.Tensor | None = None
    task: str | None = None

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`; from page-locked memory a GPU fetches it while the CPU goes on."""
        return self._with_each(lambda x: x.to(device, non_blocking=True))

    def pinned(self) -> "Batch":
        """Return the batch in page-locked memory."""
        return self._with_each(torch.Tensor.pin_memory)

    def _with_each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        tensors = {name: change(x) for name, x in vars(self).items() if isinstance(x, torch.Tensor)}
        return dataclasses.replace(self, **tensors)

    def inputs(self) -> dict[str, torch.Tensor | int | str]:
        """Return the keyword arguments of GenomeModel.forward."""
        found = {"input_ids": self.ids, "attention_mask": self.mask, "patch_starts": self.starts}
        more = {
            "references": self.references or None,
            "patch_starts_reverse": self.reverse,
            "codon_phase": self.codon_phase,
            "conservation": self.conservation,
            "records": self.records,
            "modality": self.modality,
            "weights": self.weights,
            "task": self.task,
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
    modality: Sequence[str] | None = None,
    weights: Sequence[np.ndarray] | None = None,
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
        modality: alphabet of each record, dna, rna or protein; None: the one that the model reads.
        weights: (l,) float32 of each record, weights of its bytes in a language model's loss; None: all the same.
    """
    length = 1 + max((len(r) for r in records), default=0)
    places = [(row, 0) for row in range(len(records))]
    told = {"codon_phase": codon_phase, "conservation": conservation, "weights": weights}
    batch = _laid_out(records, starts, places, (len(records), length), told, modality)
    there = None if reverse is None else _starts_laid_out(reverse, places, (len(records), length))
    return dataclasses.replace(batch, references=references, reverse=there)


def pack(
    records: Sequence[np.ndarray],
    starts: Sequence[np.ndarray],
    length: int,
    reach: int = 64,
    codon_phase: Sequence[np.ndarray] | None = None,
    conservation: Sequence[np.ndarray] | None = None,
    modality: Sequence[str] | None = None,
    weights: Sequence[np.ndarray] | None = None,
    rows: Sequence[int] | None = None,
) -> Batch:
    """Lay several records side by side in rows; a model makes of each what it makes of it alone.

    Each record has its own BOS and goes to the first row with room for it, behind those before it: at the next
    multiple of PACK bytes that leaves `reach` bytes of padding.

    Args:
        records: ids (l,) int64 each, without BOS.
        starts: start flags (l+1,) bool each.
        length: bytes of a row.
        reach: bytes that a model's convolutions see; ByteLatentShell.reach.
        codon_phase, conservation, modality, weights: as make_batch takes them.
        rows: row of each record, from 0 on and in order; None: the first one with room.

    Returns:
        Batch whose `records` holds each byte's place in the list of records.

    Raises:
        UsageError: a record is longer than a row, or has no room in its own.
    """
    ends: list[int] = []  # of each row, its last record's
    places = []
    apart = max(reach, 1)

    def place_in(row: int) -> int:
        return -(-(ends[row] + apart) // PACK) * PACK if row < len(ends) else 0

    for number, record in enumerate(records):
        size = 1 + len(record)
        if size > length:
            raise UsageError(
                f"record {number} has {len(record)} letters, and a row has room for {length - 1}: make rows longer"
            )
        row = rows[number] if rows else next((r for r in range(len(ends)) if place_in(r) + size <= length), len(ends))
        first = place_in(row)
        if row == len(ends):
            ends.append(0)
        if first + size > length:
            raise UsageError(f"record {number} has no room in row {row} of {length} bytes: make rows longer")
        ends[row] = first + size
        places.append((row, first))
    numbers = np.full((len(ends), length), -1)
    for number, ((row, first), record) in enumerate(zip(places, records, strict=True)):
        numbers[row, first : first + 1 + len(record)] = number
    told = {"codon_phase": codon_phase, "conservation": conservation, "weights": weights}
    batch = _laid_out(records, starts, places, numbers.shape, told, modality)
    return dataclasses.replace(batch, records=torch.from_numpy(numbers))


def _laid_out(
    records: Sequence[np.ndarray],
    starts: Sequence[np.ndarray],
    places: Sequence[tuple[int, int]],
    shape: tuple[int, int],
    told: Mapping[str, Sequence[np.ndarray] | None],
    modality: Sequence[str] | None,
) -> Batch:
    """Return records behind their BOS in rows of `shape`, each from its place (row, byte) on.

    Args:
        told: what bytes are told, by its name in Batch; (l,) a record.
        modality: alphabet of each record.
    """
    ids, mask = np.full(shape, PAD), np.zeros(shape, bool)
    for (row, first), record in zip(places, records, strict=True):
        end = first + 1 + len(record)
        ids[row, first], ids[row, first + 1 : end] = BOS, record
        mask[row, first:end] = True
    tracks = {}
    for name, missing in MISSING.items():
        if (values := told[name]) is not None:
            track = np.full(shape, missing)
            for (row, first), value in zip(places, values, strict=True):
                track[row, first + 1 : first + 1 + len(value)] = value
            tracks[name] = torch.from_numpy(track)
    if modality is not None:
        numbers = np.zeros(shape, np.int64)
        for (row, first), record, name in zip(places, records, modality, strict=True):
            numbers[row, first : first + 1 + len(record)] = MODALITIES.index(name)
        tracks["modality"] = torch.from_numpy(numbers)
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
