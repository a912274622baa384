"""What a language model is worth on what each source of a data file holds out."""

import itertools
import logging
from collections.abc import Sequence

import numpy as np
import torch

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.patching.patcher import Patcher
from genomelm.seq.interval import Interval, check_apart
from genomelm.tasks.metrics import bootstrap_ratio
from genomelm.training.evaluation import BitsByCase, bits_by_case
from genomelm.training.measure import by_case
from genomelm.training.rows import Rows
from genomelm.training.sources import Data, GenomeSource

log = logging.getLogger(__name__)


def measure_sources(
    model: GenomeModel,
    data: Data,
    split: str,
    window: int,
    most: int,
    trained: Sequence[Interval],
    device: torch.device,
) -> dict[str, dict]:
    """Measure bits per letter of each source that holds something out, with bootstrap intervals over its rows.

    Args:
        split: validation or test.
        window: most letters a row.
        most: rows a source, evenly spaced where it has more.
        trained: intervals that the model was trained on; what is measured must be apart from them.

    Returns:
        By source {"modality", "bases", "rows", "rows_in_all", "bits_per_base", ...}.

    Raises:
        UsageError: nothing is held out, or a source has patches that are not the model's.
    """
    found: dict[str, dict] = {}
    for source in data.sources:
        if not source.has(split):
            continue
        patcher = _patcher(model, source.modality, f"source {source.name}")
        if isinstance(source, GenomeSource):
            if source.patcher.fingerprint != patcher.fingerprint:
                raise UsageError(
                    f"source {source.name}: the model was trained with other patches than {source.patches}: name the "
                    "folder it was trained with"
                )
            check_apart(source.regions[split], trained, "the model's training region")
        rows = source.rows(split, window, patcher, source.modality if model.reads_several else None, 1, None)
        some = rows.some(most)
        measured = _measured(model, rows, some, device)
        bits, counts = measured[:2]
        found[source.name] = {
            "modality": source.modality,
            "bases": int(counts.sum()),
            "rows": len(some),
            "rows_in_all": rows.rows,
            "bits_per_base": bootstrap_ratio(bits, counts),
            **by_case(measured),
        }
        log.info("%s: %.4f bits per letter over %d", source.name, bits.sum() / counts.sum(), counts.sum())
    if not found:
        raise UsageError(f"no source holds anything out for the split {split}: give one {split} regions or a share")
    return found


def _patcher(model: GenomeModel, modality: str, name: str) -> Patcher:
    """Return the patcher that the model reads a modality with."""
    try:
        patcher = model.read(modality).patcher
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    if patcher is None:
        raise UsageError(f"{name}: the model has no patcher; take the folder that `genomelm pretrain` wrote")
    return patcher


def _measured(model: GenomeModel, rows: Rows, some: Sequence[Interval], device: torch.device) -> BitsByCase:
    """Return `bits_by_case` of rows that differ in length, without padding one to over twice its own."""
    parts = []
    for _, alike in itertools.groupby(sorted(some, key=len), key=lambda row: len(row).bit_length()):
        parts.append(bits_by_case(model, rows, list(alike), device))
    return BitsByCase(*map(np.concatenate, zip(*parts, strict=True)))
