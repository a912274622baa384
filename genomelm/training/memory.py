"""What a user is told when a training step does not fit into a GPU's memory."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from genomelm.errors import ResourceError
from genomelm.models.encoding import Batch
from genomelm.models.estimate import estimate, largest_batch
from genomelm.models.families import GenomeConfig
from genomelm.training.config import TrainConfig

GIB = 2**30


@contextlib.contextmanager
def told_of_memory(model: nn.Module, config: TrainConfig, batches: list[Batch], device: torch.device) -> Iterator[None]:
    """Turn an out-of-memory error inside the block into one that says what a step needs, and what would fit.

    Args:
        batches: a process's micro-batches, as far as they are known by then.

    Raises:
        ResourceError: the memory was not enough.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        advice = (
            "raise accumulate (smaller micro-batches, the same result), set gradient_checkpointing: true or precision: "
            "bf16, or lower batch_size or window"
        )
        found = _estimate(model, config, batches[0], device) if batches else ""
        raise ResourceError(f"a training step does not fit into the memory of {device}{found}: {advice}") from error


def _estimate(model: nn.Module, config: TrainConfig, batch: Batch, device: torch.device) -> str:
    """Return what a step needs and how many rows would fit, of models whose config says what they are."""
    rows, length = batch.ids.shape
    made = getattr(model, "config", None)
    if not isinstance(made, GenomeConfig):
        return f" ({rows} rows of {length} bytes)"
    mean_patch = max(1, round(int(batch.mask.sum()) / max(1, int((batch.starts[:, :-1] & batch.mask).sum()))))
    shape = (length, mean_patch, torch.bfloat16 if config.precision == "bf16" else torch.float32)
    text = f": {rows} rows of {length} bytes take about {estimate(made, rows, *shape).memory / GIB:.1f} GiB"
    if device.type != "cuda":
        return text
    total = torch.cuda.get_device_properties(device).total_memory
    fits = min(largest_batch(made, int(0.9 * total), *shape), rows - 1)
    return f"{text}, it has {total / GIB:.1f}, and about {fits} rows would fit"
