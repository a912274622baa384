"""Speed and memory of a language model's training steps and forward passes, beside what shapes alone foretell."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from genomelm.bench.budget_cell import device_facts, peak_memory, take_step, wait
from genomelm.bench.timing import row, timed
from genomelm.models.classes import CLASSES
from genomelm.models.config import LANGUAGE_HEADS
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.estimate import Estimate, estimate
from genomelm.models.families import GenomeConfig
from genomelm.models.model import GenomeModel
from genomelm.nn.shortconv import path_of
from genomelm.runtime import seeded
from genomelm.training.config import TrainConfig
from genomelm.training.optimizer import make_optimizer


@dataclass(frozen=True)
class Shape:
    """One measurement: a model, and the windows that it reads.

    Attributes:
        part: which comparison it belongs to.
        name: of the model in it.
        config: of the model.
        batch, length: windows a step, and bases of each.
        mean_patch: bases of each patch.
        checkpointing: blocks run again in the backward pass; the estimate does not know of it.
    """

    part: str
    name: str
    config: GenomeConfig
    batch: int
    length: int
    mean_patch: int
    checkpointing: bool = False


def measure_all(
    shapes: Iterable[Shape],
    ids: np.ndarray,
    device: torch.device,
    dtype: torch.dtype,
    repeats: int,
    compiled: bool = False,
) -> Iterator[dict]:
    """Yield two rows for each shape, of training and of the forward pass, or one that says what did not fit."""
    for shape in shapes:
        try:
            yield from measure(shape, ids, device, dtype, repeats, compiled)
        except torch.OutOfMemoryError:
            yield {**_facts(shape, device, dtype, compiled), "out_of_memory": True}
        if device.type == "cuda":
            torch.cuda.empty_cache()


def measure(
    shape: Shape, ids: np.ndarray, device: torch.device, dtype: torch.dtype, repeats: int, compiled: bool = False
) -> list[dict]:
    """Time training steps (AdamW, clipped) and forward passes of a freshly initialised model.

    Args:
        shape: model and windows.
        ids: (l,) bases that the windows are cut from, end to end, from the start again where they run out.
        device: where it runs, with nothing else on it.
        dtype: float32, or bfloat16 by autocast.
        repeats: timings, of which the median counts, after two that do not.
        compiled: run the model through torch.compile.

    Returns:
        Rows of `timing.row`, with peak memory in bytes (CUDA) and the estimate of operations and memory.
    """
    foretold = estimate(shape.config, shape.batch, shape.length, shape.mean_patch, dtype, device.type)
    facts, bases = _facts(shape, device, dtype, compiled), shape.batch * shape.length
    batch = windows(ids, shape).to(device)
    model = new_model(shape.config).to(device)
    if shape.checkpointing:
        model.gradient_checkpointing_enable()
    optimizer = make_optimizer(model.train(), TrainConfig())
    called = torch.compile(model, dynamic=False) if compiled else model

    def train() -> None:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            take_step(called, batch, optimizer, 1.0)
        wait(device)

    def forward() -> None:
        with torch.inference_mode(), torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            called(**batch.inputs(), return_logits=False)
        wait(device)

    found = []
    for work, function, operations in (
        ("training", train, foretold.counts.step),
        ("forward", forward, foretold.counts.forward),
    ):
        if work == "forward":
            optimizer.zero_grad(set_to_none=True)
            model.eval()
        function()  # kernels are chosen and compiled
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        _, seconds = timed(function, repeats)
        speed = row(work, bases, seconds, peak_bytes=peak_memory(device))
        found.append({**facts, **speed, "flops": operations, "estimate": _estimate(foretold, work)})
    return found


def new_model(config: GenomeConfig) -> GenomeModel:
    """Return a language model with weights of a fixed seed."""
    with seeded("weights", 0):
        return CLASSES[config.model_type, LANGUAGE_HEADS[config.shell["objective"]]](config)


def windows(ids: np.ndarray, shape: Shape) -> Batch:
    """Return a batch of windows of `ids` (l,), in patches of a fixed stride."""
    needed = shape.batch * shape.length
    whole = np.resize(ids.astype(np.int64), needed).reshape(shape.batch, shape.length)
    starts = np.arange(shape.length + 1) % shape.mean_patch == 0
    return make_batch(list(whole), [starts] * shape.batch)


def _facts(shape: Shape, device: torch.device, dtype: torch.dtype, compiled: bool) -> dict:
    facts = {field.name: getattr(shape, field.name) for field in dataclasses.fields(shape) if field.name != "config"}
    return {
        "part": facts.pop("part"),
        "model": facts.pop("name"),
        **facts,
        **device_facts(device, str(dtype)[6:]),
        **_kernels(device, dtype, compiled),
    }


def _kernels(device: torch.device, dtype: torch.dtype, compiled: bool) -> dict:
    return {"compiled": compiled, "short_convolution": path_of(torch.empty(0, device=device, dtype=dtype))}


def _estimate(foretold: Estimate, work: str) -> dict:
    found = {"parameters": foretold.parameters, "parameters_without_tables": foretold.parameters - foretold.tables}
    return found | ({"peak_bytes": foretold.memory} if work == "training" else {})
