"""Windows through a model: equal windows once, rows of like length together, memory bounded."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from genomelm.errors import ResourceError, UsageError
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.estimate import estimate
from genomelm.models.heads import IGNORED
from genomelm.models.model import GenomeModel
from genomelm.models.neutral import say_neutral
from genomelm.runtime import exact_float32
from genomelm.scoring.alleles import Window, WindowPair

log = logging.getLogger(__name__)

BYTES_AT_ONCE = {"cpu": 1 << 14, "cuda": 1 << 18}
"""Bytes (rows times length) of one forward pass; on a CPU, twice as many take longer again."""

MEAN_PATCH = 8
"""Bases of a patch in an estimate of memory."""

Read = Callable[[GenomeModel, Sequence[Window]], list[np.ndarray]]
Readable = TypeVar("Readable")
"""A window, a pair of them, or one with what is wanted of it: with a `key` and a `size`."""
Item = TypeVar("Item")
Result = TypeVar("Result")


def read_windows(
    model: GenomeModel,
    windows: Sequence[Readable],
    read: Callable[[GenomeModel, Sequence[Readable]], list[np.ndarray]],
) -> list[np.ndarray]:
    """Apply `read` to every window (or pair of them), in chunks, and return its arrays in the windows' order.

    A chunk that does not fit the device's memory is halved and tried again.

    Raises:
        ResourceError: not even one window fits.
    """
    distinct: dict[bytes, Readable] = {}
    keys = [window.key for window in windows]
    for key, window in zip(keys, windows, strict=True):
        distinct.setdefault(key, window)
    unique = sorted(distinct.items(), key=lambda item: -item[1].size)

    def read_chunk(chunk: Sequence[tuple[bytes, Readable]], most: int) -> list[np.ndarray]:
        return read(model, [window for _, window in chunk])

    loads = [Load(window.size, window.size, window.size) for _, window in unique]
    found = in_chunks(model, unique, loads, read_chunk)
    results = dict(zip((key for key, _ in unique), found, strict=True))
    return [results[key] for key in keys]


class Load(NamedTuple):
    """Bytes of an item that is read: by which chunks are filled, of its smallest part, of all its parts."""

    size: int
    part: int
    whole: int


def in_chunks(
    model: GenomeModel,
    items: Sequence[Item],
    loads: Sequence[Load],
    read: Callable[[Sequence[Item], int], list[Result]],
) -> list[Result]:
    """Read items in order, as many at a time as the device is given; what does not fit its memory is tried by halves.

    Args:
        model: whose device it is.
        items: longest first, where their lengths differ much: each chunk is as wide as its first one.
        loads: of the items.
        read: gets a chunk, and the bytes that may be read at once; gives a result an item.

    Raises:
        ResourceError: not even one part fits.
    """
    say_neutral(model)
    results: list[Result] = []
    most = BYTES_AT_ONCE.get(model.device.type, 1 << 16)
    with torch.inference_mode(), exact_float32():
        while len(results) < len(items):
            first = len(results)
            chunk = slice(first, first + max(1, most // loads[first].size))
            try:
                results += read(items[chunk], most)
            except torch.OutOfMemoryError:
                most = _halved(model, min(most, sum(load.whole for load in loads[chunk])), loads[first])
                torch.cuda.empty_cache()
    return results


def _halved(model: GenomeModel, most: int, load: Load) -> int:
    if most // 2 < load.part:
        with torch.inference_mode(False), torch.enable_grad():  # it follows a training step
            foretold = estimate(model.config, 1, load.size - 1, MEAN_PATCH, device=model.device.type)
        raise ResourceError(
            f"one window of {load.size - 1:,} bases does not fit the device's memory: with the weights it takes up to "
            f"{(foretold.weights + foretold.counts.saved) / 2**20:,.0f} MiB by the estimate; use shorter ones, or "
            "--device cpu"
        )
    log.warning("out of device memory: %d bases at a time instead of %d", most // 2, most)
    return most // 2


def batch_of(model: GenomeModel, windows: Sequence[Window]) -> Batch:
    """Return windows as a batch on the model's device."""
    reverse = [w.reverse for w in windows] if model.is_conjoined else None
    return make_batch([w.ids for w in windows], [w.marks for w in windows], reverse=reverse).to(model.device)


def byte_log_probabilities(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return log p(base | bases before it) in nats, float64 (l,) a window; 0 at N, which is left out."""
    batch = batch_of(model, windows)
    states = model(**batch.inputs(), return_logits=False).hidden_states
    values = log_probabilities(model, states[:, :-1], batch.ids[:, 1:])
    return [row[: len(window.ids)] for row, window in zip(values, windows, strict=True)]


def log_probabilities(model: GenomeModel, states: torch.Tensor, ids: torch.Tensor) -> np.ndarray:
    """Return log p(byte | those before it) in nats, float64 (b, l); 0 where it is no letter.

    Args:
        states: (b, l, d), of the byte before each.
        ids: (b, l) int64.
    """
    target = model.head.classes[ids]
    chosen = torch.log_softmax(model.head.letter_logits(states).double(), -1)
    chosen = chosen.gather(-1, target.clamp_min(0)[..., None])[..., 0]
    return torch.where(target != IGNORED, chosen, 0.0).cpu().numpy()


def head_outputs(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return the task head's output, float64 (n,) a window: label's unit for a regression, logits for classes."""
    return list(model(**batch_of(model, windows).inputs()).logits.double().cpu().numpy())


def token_outputs(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return a token head's logits, float64 (l, n) a window."""
    found = model(**batch_of(model, windows).inputs()).logits.double().cpu().numpy()
    return [row[1 : 1 + len(window.ids)] for row, window in zip(found, windows, strict=True)]


def pair_outputs(model: GenomeModel, pairs: Sequence[WindowPair]) -> list[np.ndarray]:
    """Return a variant-effect head's output, float64 (n,) a pair, in the labels' unit; equal bases give exactly 0."""
    rows: dict[bytes, int] = {}
    of = [rows.setdefault(pair.ref.key, len(rows)) for pair in pairs]
    references = [pairs[of.index(row)].ref for row in range(len(rows))]
    batch = batch_of(model, [*references, *(pair.alt for pair in pairs)])
    states = model(**batch.inputs(), return_logits=False).hidden_states
    order = torch.tensor([*of, *range(len(rows), len(rows) + len(pairs))], device=model.device)
    found = model.head(states[order], batch.ids[order], batch.mask[order], references=len(pairs))
    return list(found.double().cpu().numpy())


def single(output: np.ndarray) -> float:
    """Return a head's output (n,) as one number; for two classes, the logit of the second against the first."""
    return float(output[-1] - output[0]) if len(output) > 1 else float(output[0])


def check_single(model: GenomeModel) -> None:
    """Refuse a task head that `single` cannot turn into one number.

    Raises:
        UsageError: outputs of bases, several tasks, more than one regression target, or more than two classes.
    """
    if model.is_language_model:
        return
    model.for_task(None)
    if model.gives_bases:
        raise UsageError(
            "the model labels bases, or gives them values, but a sequence no single score: use `genomelm predict` (or "
            "genomelm.predict) for them, and a language, regression or variant-effect model for scores"
        )
    most = 2 if model.head_kind == "sequence_classification" and not model.config.head["multi_label"] else 1
    outputs = model.config.head["outputs"]
    if outputs > most:
        raise UsageError(f"the model's head has {outputs} outputs; a score is one number, or the logit of two classes")
