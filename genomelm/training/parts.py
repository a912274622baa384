"""The rows of a step in parts, one a process and micro-batch, and the targets by which parts are weighed."""

from collections.abc import Mapping

import torch

from genomelm.errors import UsageError
from genomelm.models.encoding import Batch
from genomelm.models.language_head import IGNORED
from genomelm.seq.alphabet import ALPHABETS, MODALITIES


def share(rows: int, part: int, parts: int) -> slice:
    """Return which of the rows 0..rows-1 of a step belong to part `part` of `parts`: a contiguous share.

    Raises:
        UsageError: the rows cannot be shared out evenly.
    """
    if rows % parts:
        raise UsageError(
            f"a step has {rows} rows, which {parts} parts (processes times accumulate) cannot share evenly: make "
            f"batch_size a multiple of {parts}, or change accumulate or the number of processes"
        )
    return slice(part * (rows // parts), (part + 1) * (rows // parts))


def count_targets(batch: Batch, labels: torch.Tensor | Mapping[str, torch.Tensor]) -> int:
    """Return how many labels a loss is the mean over, of all tasks: classes that are not IGNORED, numbers but NaN."""
    if isinstance(labels, Mapping):
        return sum(count_targets(batch, each) for each in labels.values())
    return int((~labels.isnan() if labels.is_floating_point() else labels != IGNORED).sum())


def count_letters(batch: Batch, labels: torch.Tensor, alphabet: str, shift: int) -> float:
    """Return how many of a language model's labels (b, l) it is asked for, or what they weigh in its loss.

    Args:
        batch: says what the labels weigh, and in mixed batches of which alphabet each byte is.
        alphabet: whose letters are scored, where the batch does not say.
        shift: labels at a row's start that nothing precedes: 1 of causal models (BOS), 0 of masked ones.
    """
    wanted = labels[:, shift:]
    if batch.modality is None:
        scored = torch.isin(wanted, torch.from_numpy(ALPHABETS[alphabet].ids))
    else:
        scored, kinds = torch.zeros_like(wanted, dtype=torch.bool), batch.modality[:, shift:]
        for number, name in enumerate(MODALITIES):
            scored |= (kinds == number) & torch.isin(wanted, torch.from_numpy(ALPHABETS[name].ids))
    return float((scored if batch.weights is None else scored * batch.weights[:, shift:]).sum())
