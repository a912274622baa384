"""Train a model on planted sequences of growing length, and ask it about held-out ones."""

import dataclasses
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from genomelm.bench.budget_cell import device_facts, train_until
from genomelm.bench.compare_grid import CompareCell, CompareConfig, EnhancerPart, RecallPart, rates
from genomelm.bench.compare_models import family_config, new_model, parameters, step_flops
from genomelm.bench.compare_planted import LETTERS, Planted, distances, enhancer, recall
from genomelm.errors import NumericalError
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.heads import IGNORED
from genomelm.models.model import GenomeModel

log = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Task:
    """What recall and the enhancer differ in.

    Attributes:
        part: of the grid.
        make: (part, length, rows, counters) -> sequences.
        flops: training budget.
        mean: bases of a patch.
        head: kind of the head.
        label: class -> label of a byte.
    """

    part: RecallPart | EnhancerPart
    make: Callable[..., Planted]
    flops: float
    mean: int
    head: str
    label: np.ndarray

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths that training goes through in turn, for equal shares of its budget."""
        return (*self.part.warm_up, *self.part.lengths)


def task_of(config: CompareConfig, cell: CompareCell) -> Task:
    """Return the task of a cell of the parts recall or enhancer."""
    if cell.part == "recall":
        part = config.recall
        flops = part.flops[part.means.index(cell.size)]
        return Task(part, recall, flops, cell.size, "causal_lm", LETTERS.astype(np.int64))
    part = config.enhancer
    return Task(part, enhancer, part.flops, config.mean, "token_classification", np.arange(2))


def task_cell(config: CompareConfig, _prepared: Path, cell: CompareCell, device: torch.device) -> dict:
    """Train a cell's model on its task from scratch until its operations reach the budget, and test it.

    Returns:
        The cell's row. Its `tests` hold by length, of recall: `correct`, the right bases of each sequence, of `asked`;
        of the enhancer: `scores` and `labels` of each promoter, and the least and the greatest of the `distances`.

    Raises:
        NumericalError: the loss is not finite at the end.
    """
    begun = time.monotonic()
    task = task_of(config, cell)
    part, longest = task.part, max(task.lengths)
    trunk = family_config(config, cell.model, longest, task.mean)
    model = new_model(trunk, task.head, cell.seed).to(device).train()
    dtype = DTYPES[config.precision]
    bases = dict.fromkeys(task.lengths, 0)
    rows = {length: max(1, part.step_bases // length) for length in task.lengths}
    costs = {length: step_flops(trunk, rows[length], length, task.mean) for length in task.lengths}

    def draw(step: int, done: float) -> tuple[Batch, torch.Tensor, float]:
        length = task.lengths[min(int(done * len(task.lengths)), len(task.lengths) - 1)]
        bases[length] += rows[length] * length
        planted = task.make(part, length, rows[length], "train", cell.seed, step)
        return *batch_of(task, planted), costs[length]

    spent = train_until(model, draw, rates(part), task.flops, device, dtype)
    losses = spent.pop("losses")
    row = {
        **dataclasses.asdict(cell),
        "train_loss": losses[-1],
        "flops": spent.pop("used"),
        **spent,
        **parameters(trunk),
        "bases": {str(length): count for length, count in bases.items()},
        "flops_per_base": {str(n): cost / (rows[n] * n) for n, cost in costs.items()},
        **tested(model, task, device, dtype),
        **device_facts(device, config.precision),
        "seconds": round(time.monotonic() - begun, 2),
    }
    if not math.isfinite(row["train_loss"]):
        raise NumericalError(f"{cell}: the loss is not finite after {row['steps']} steps: lower learning_rate")
    log.info("%s: loss %.4f, %d steps, %.1f s", cell, row["train_loss"], row["steps"], row["seconds"])
    return row


def tested(model: GenomeModel, task: Task, device: torch.device, dtype: torch.dtype) -> dict:
    """Return what a model makes of held-out sequences: the answers' part of a cell's row."""
    model.eval()
    by_length: dict[str, dict] = {}
    for length in task.part.lengths:
        rows = max(1, task.part.step_bases // length)
        found: dict = {"correct": [], "scores": [], "labels": []}
        for first in range(0, task.part.tests, rows):
            planted = task.make(task.part, length, min(rows, task.part.tests - first), "test", first)
            logits = answers(model, task, planted, device, dtype)
            if task.head == "causal_lm":
                found["correct"] += (logits.argmax(-1) == planted.answers).sum(1).tolist()
                found["asked"] = planted.answers.shape[1]
            else:
                found["scores"] += np.round(logits[..., 0].astype(np.float64), 4).tolist()
                found["labels"] += planted.answers.tolist()
                found["distances"] = distances(task.part, length)
        by_length[str(length)] = {name: values for name, values in found.items() if values != []}
    return {"tests": by_length}


def answers(model: GenomeModel, task: Task, planted: Planted, device: torch.device, dtype: torch.dtype) -> np.ndarray:
    """Return logits at the places asked for, float32: of ACGT (b, n, 4), or of label 1 (b, n, 1)."""
    batch = batch_of(task, planted)[0].to(device)
    where = torch.from_numpy(planted.where + 1).to(device)  # BOS stands in front
    with torch.inference_mode(), torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        states = model(**batch.inputs(), return_logits=False).hidden_states
        causal = task.head == "causal_lm"
        index = (where - 1 if causal else where)[..., None].expand(-1, -1, states.shape[-1])
        chosen = states.gather(1, index)
        logits = model.head.letter_logits(chosen) if causal else model.head(chosen, batch.ids, None)
    return logits.float().cpu().numpy()


def batch_of(task: Task, planted: Planted) -> tuple[Batch, torch.Tensor]:
    """Return sequences as a batch in patches of a fixed stride, and the labels (b, l) int64 of its bytes."""
    length = planted.ids.shape[1]
    starts = np.arange(length + 1) % task.mean == 0
    starts[-1] = True
    batch = make_batch(list(planted.ids.astype(np.int64)), [starts] * len(planted.ids))
    labels = np.full(batch.ids.shape, IGNORED)
    for places, classes in ((planted.told, planted.kinds), (planted.where, planted.answers)):
        np.put_along_axis(labels, places + 1, task.label[classes], 1)
    return batch, torch.from_numpy(labels)
