"""Held-out bits per base of a language model, and what each of its parts is worth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from genomelm.models.encoding import HIDDEN_STRIDE
from genomelm.models.heads import BITS
from genomelm.models.model import GenomeModel
from genomelm.nn.attention import ClassicAttention, SlidingAttention
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.hyena import HyenaOperator
from genomelm.nn.hyena.published import PublishedOperator
from genomelm.nn.s5 import GatedStateSpace, S5Operator
from genomelm.patching.count_model import CountModel
from genomelm.runtime import exact_float32, without_gradients
from genomelm.seq.alphabet import encode
from genomelm.seq.interval import Interval
from genomelm.training.rows import Boundaries, Rows
from genomelm.training.windows import GenomeWindows, hide_strided, label_ids

BYTES = 1 << 14
"""Bytes of one forward pass."""


class BitsByCase(NamedTuple):
    """Bits and numbers of scored bases of windows, float64 (n,) each: of all bases, and of repeats among them.

    A repeat is a base that the reference has in lower case.
    """

    bits: np.ndarray
    counts: np.ndarray
    repeat_bits: np.ndarray
    repeat_counts: np.ndarray

    def parts(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return bits and counts of "repeats" and of "unique", the rest; nothing where one of them has no base."""
        unique = (self.bits - self.repeat_bits, self.counts - self.repeat_counts)
        if not (self.repeat_counts.any() and unique[1].any()):
            return {}
        return {"repeats": (self.repeat_bits, self.repeat_counts), "unique": unique}


def window_bits(
    model: GenomeModel,
    windows: Rows,
    tiles: Sequence[Interval],
    device: torch.device,
    boundaries: Boundaries | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return bits and number of scored bases of each window, float64 (n,) both: `bits_by_case` without the cases."""
    return bits_by_case(model, windows, tiles, device, boundaries)[:2]


def bits_by_case(
    model: GenomeModel,
    windows: Rows,
    tiles: Sequence[Interval],
    device: torch.device,
    boundaries: Boundaries | None = None,
) -> BitsByCase:
    """Return bits and number of scored bases of each window, and of the repeats in it.

    Causal models: every base of a window is scored, its first one from BOS alone. Masked models: every
    HIDDEN_STRIDE-th base is hidden and scored; where the hidden ones begin changes from window to window.
    """
    found = []
    size = max(1, BYTES // max(len(tile) for tile in tiles))
    with without_gradients(device), exact_float32():
        for first in range(0, len(tiles), size):
            changed = None if boundaries is None else lambda marks, i, first=first: boundaries(marks, first + i)
            batch = windows.batch(tiles[first : first + size], model.is_conjoined, changed)
            if model.objective == "masked":
                offset = torch.tensor([tile.start // windows.window for tile in tiles[first : first + size]])[:, None]
                batch, labels = hide_strided(batch, offset, HIDDEN_STRIDE)
            else:
                labels = label_ids(batch)
            batch, labels = batch.to(device), labels.to(device)
            states = model(**batch.inputs(), return_logits=False).hidden_states
            told = (states, labels) if batch.modality is None else (states, labels, batch.modality)
            nats = model.head.nats(*told).double()
            scored = model.head.targets(*told[1:]) >= 0
            repeats = _flags(windows.repeats(tiles[first : first + size]), batch.ids.shape)
            repeats = repeats[:, batch.ids.shape[1] - nats.shape[1] :].to(device)  # causal: of the byte that is guessed
            sums = (nats.sum(1) * BITS, scored.sum(1), (nats * repeats).sum(1) * BITS, (scored & repeats).sum(1))
            found.append([part.double().cpu().numpy() for part in sums])
    return BitsByCase(*map(np.concatenate, zip(*found, strict=True)))


def _flags(records: Sequence[np.ndarray], shape: torch.Size) -> torch.Tensor:
    """Return flags (l,) of records behind their BOS, bool of `shape`."""
    flags = np.zeros(shape, bool)
    for row, record in zip(flags, records, strict=True):
        row[1 : 1 + len(record)] = record
    return torch.from_numpy(flags)


def count_model_bits(counted: CountModel, windows: GenomeWindows, tiles: Sequence[Interval]) -> np.ndarray:
    """Return the count model's bits on the same windows, (n,); it sees the bases before each window."""
    totals = []
    for tile in tiles:
        before = Interval(tile.contig, max(0, tile.start - counted.order), tile.start)
        context = encode(windows.genome.fetch(before)) if len(before) else None
        totals.append(np.nansum(counted.bits(encode(windows.genome.fetch(tile)), context)))
    return np.array(totals)


MIXERS = {
    "hyena": HyenaOperator | PublishedOperator,
    "attention": SlidingAttention | ClassicAttention,
    "s5": S5Operator | GatedStateSpace,
    "bigbird": BigBirdAttention,
}
"""Operators that mix patches, by the name that a report gives them."""


def mixers_of(model: GenomeModel) -> dict[str, list[torch.nn.Module]]:
    """Return the model's operators that mix patches, by name."""
    found = {name: [m for m in model.shell.backbone.modules() if isinstance(m, kind)] for name, kind in MIXERS.items()}
    return {name: modules for name, modules in found.items() if modules}
