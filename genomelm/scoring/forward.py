"""Windows through a model: equal windows once, rows of like length together, memory bounded."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch

from genomelm.errors import ResourceError, UsageError
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.heads import IGNORED
from genomelm.models.model import GenomeModel
from genomelm.models.neutral import say_neutral
from genomelm.runtime import exact_float32
from genomelm.scoring.alleles import Window, WindowPair, read_alone
from genomelm.seq.alphabet import decode, reverse_complement_ids

log = logging.getLogger(__name__)

BYTES_AT_ONCE = {"cpu": 1 << 12, "cuda": 1 << 18}
"""Bytes (rows times length) of one forward pass; on a CPU, what stays in its cache."""

Read = Callable[[GenomeModel, Sequence[Window]], list[np.ndarray]]
Readable = TypeVar("Readable", Window, WindowPair)


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
    say_neutral(model)
    distinct: dict[bytes, Readable] = {}
    keys = [window.key for window in windows]
    for key, window in zip(keys, windows, strict=True):
        distinct.setdefault(key, window)
    unique = sorted(distinct.items(), key=lambda item: -item[1].size)
    results: dict[bytes, np.ndarray] = {}
    most = BYTES_AT_ONCE.get(model.device.type, 1 << 16)
    start = 0
    with torch.inference_mode(), exact_float32():
        while start < len(unique):
            size = unique[start][1].size
            chunk = unique[start : start + max(1, most // size)]
            try:
                found = read(model, [window for _, window in chunk])
            except torch.OutOfMemoryError:
                most = _halved(len(chunk), size)
                torch.cuda.empty_cache()
                continue
            for (key, _), values in zip(chunk, found, strict=True):
                results[key] = values
            start += len(chunk)
    return [results[key] for key in keys]


def _halved(rows: int, size: int) -> int:
    if rows == 1:
        raise ResourceError(
            f"one window of {size - 1:,} bases does not fit the device's memory; use shorter ones, or --device cpu"
        )
    log.warning("out of device memory: %d windows at a time instead of %d", rows // 2, rows)
    return size * (rows // 2)


def batch_of(model: GenomeModel, windows: Sequence[Window], references: int = 0) -> Batch:
    """Return windows as a batch on the model's device; `references` of them, the first, are reference alleles."""
    reverse = [w.reverse for w in windows] if model.is_conjoined else None
    return make_batch([w.ids for w in windows], [w.marks for w in windows], references, reverse).to(model.device)


def byte_log_probabilities(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return log p(base | bases before it) in nats, float64 (l,) a window; 0 at N, which is left out."""
    batch = batch_of(model, windows)
    states = model(**batch.inputs(), return_logits=False).hidden_states
    logits = model.head.letter_logits(states[:, :-1])
    target = model.head.targets(batch.ids)  # (b, l), IGNORED at N and at padding
    counted = target != IGNORED
    chosen = torch.log_softmax(logits.double(), -1).gather(-1, target.clamp_min(0)[..., None])[..., 0]
    values = torch.where(counted, chosen, 0.0).cpu().numpy()
    return [row[: len(window.ids)] for row, window in zip(values, windows, strict=True)]


def head_outputs(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return the task head's output, float64 (n,) a window: label's unit for a regression, logits for classes."""
    return list(model(**batch_of(model, windows).inputs()).logits.double().cpu().numpy())


def token_outputs(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return a token head's logits, float64 (l, n) a window."""
    found = model(**batch_of(model, windows).inputs()).logits.double().cpu().numpy()
    return [row[1 : 1 + len(window.ids)] for row, window in zip(found, windows, strict=True)]


def pair_outputs(model: GenomeModel, pairs: Sequence[WindowPair]) -> list[np.ndarray]:
    """Return a variant-effect head's output, float64 (n,) a pair, in the labels' unit; equal bases give exactly 0."""
    references = [pair.ref for pair in pairs]
    if len({window.key for window in references}) == 1:
        references = references[:1]
    batch = batch_of(model, [*references, *(pair.alt for pair in pairs)], len(references))
    return list(model(**batch.inputs()).logits.double().cpu().numpy())


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
    most = 2 if model.head_kind == "sequence_classification" else 1
    outputs = model.config.head["outputs"]
    if outputs > most:
        raise UsageError(f"the model's head has {outputs} outputs; a score is one number, or the logit of two classes")


def sequence_scores(
    model: GenomeModel, windows: Sequence[Window], reverse: Sequence[Window] | None = None
) -> np.ndarray:
    """Return one number a window, float64 (n,): a sequence head's output, or a causal model's log-likelihood in nats.

    A head whose labels hold for both strands gives the mean of both readings.

    Args:
        reverse: the same windows as the other strand reads them; None cuts each from its own start there.
    """
    check_single(model)
    if model.head_kind == "causal_lm":
        return np.array([values.sum() for values in read_windows(model, windows, byte_log_probabilities)])
    readings = [list(windows)]
    if model.config.head["two_strands"]:
        turned = [decode(reverse_complement_ids(window.ids)) for window in windows]
        alone = [read_alone(model, sequence, turned=True) for sequence in turned]
        readings.append(alone if reverse is None else list(reverse))
    outputs = [[single(output) for output in read_windows(model, reading, head_outputs)] for reading in readings]
    return np.mean(outputs, 0)
