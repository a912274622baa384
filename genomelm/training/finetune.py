"""Fine-tuning: a task head on a pretrained shell, all weights trained."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import torch

from genomelm.errors import UsageError
from genomelm.files import digest_of
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.model import CLASSES, GenomeModel
from genomelm.patching.patcher import Patcher
from genomelm.runtime import counter_seed, exact_float32
from genomelm.seq.alphabet import encode, reverse_complement_ids
from genomelm.settings import to_mapping
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.metrics import METRICS
from genomelm.training.config import TrainConfig
from genomelm.training.loop import Run, train

PREDICT_BATCH = 256


class TaskBatches:
    """Examples of one task as batches: ids, patch starts and strands."""

    def __init__(self, task: TaskConfig, patcher: Patcher) -> None:
        self.two_strands, self.patcher = task.two_strands, patcher
        self.reference = None if task.reference is None else patcher.marks(encode(task.reference))

    def marks(self, ids: np.ndarray) -> np.ndarray:
        """Return start flags (l+1,): the task's reference segmentation, or the record's own."""
        if self.reference is not None and len(self.reference) == len(ids) + 1:
            return self.reference
        return self.patcher.marks(ids)

    def batch(self, records: list[np.ndarray], reverse: np.ndarray | bool) -> Batch:
        """Return a batch; rows flagged in `reverse` (n,) are read from the other strand."""
        flags = np.broadcast_to(reverse, len(records))
        read = [reverse_complement_ids(r) if flag else r for r, flag in zip(records, flags, strict=True)]
        return make_batch(read, [self.marks(r) for r in read])


def task_model(
    pretrained: GenomeModel, task: TaskConfig, labels: np.ndarray, seed: int, dropout: float = 0.1
) -> GenomeModel:
    """Return a model with the pretrained shell and a fresh head.

    Args:
        labels: training labels (n,); a regression is learned in units of their deviation.
    """
    config = copy.deepcopy(pretrained.config)
    scaled = task.kind == "regression"
    config.head = {
        **config.head,
        "kind": task.kind,
        "task": task.name,
        "reference": task.reference or "",
        "two_strands": task.two_strands,
        "dropout": dropout,
        "mean": float(labels.mean()) if scaled else 0.0,
        "scale": float(labels.std()) if scaled else 1.0,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("head", seed))
        model = CLASSES[config.model_type, task.kind](config, pretrained.patcher)
    model.shell.load_state_dict(pretrained.shell.state_dict())
    return model


def predict_task(
    model: GenomeModel, batches: TaskBatches, records: list[np.ndarray], device: torch.device
) -> np.ndarray:
    """Return the head's outputs (n,) float64, averaged over both strands where the task says so."""
    views = []
    with torch.inference_mode(), exact_float32():
        for reverse in (False, True) if batches.two_strands else (False,):
            out = []
            for first in range(0, len(records), PREDICT_BATCH):
                batch = batches.batch(records[first : first + PREDICT_BATCH], reverse).to(device)
                out.append(model(**batch.inputs()).logits[:, 0].double().cpu().numpy())
            views.append(np.concatenate(out))
    return np.mean(views, 0)


def finetune(
    pretrained: GenomeModel,
    task: TaskConfig,
    examples: Examples,
    config: TrainConfig,
    seed: int,
    state: Path,
    device: torch.device,
    source: str,
    max_minutes: float | None = None,
) -> tuple[GenomeModel, list[dict], np.ndarray]:
    """Train a head and the shell under it on the training split.

    Args:
        source: digest of the pretrained weights and the data files, for the run's fingerprint.

    Returns:
        The model, its log, and the predictions (n,) of the test split.
    """
    if pretrained.patcher is None:
        raise UsageError("the pretrained model has no patcher/ folder: write it with `genomelm pretrain`")
    training, validation, testing = (examples.where(split) for split in ("train", "validation", "test"))
    records, labels = training.ids(), torch.from_numpy(training.labels).float()
    if config.steps is None and config.epochs is None:
        raise UsageError("fine-tuning needs 'steps' or 'epochs' in the training file")
    steps = config.steps or max(1, round(config.epochs * len(records) / config.batch_size))
    batches = TaskBatches(task, pretrained.patcher)

    def batch_at(step: int) -> tuple[Batch, torch.Tensor]:
        rows = _rows(step, config.batch_size, len(records), seed)
        reverse = False
        if task.two_strands:
            reverse = np.random.default_rng(counter_seed("strand", seed, step)).integers(0, 2, len(rows)) == 1
        return batches.batch([records[row] for row in rows], reverse), labels[rows]

    checked = validation.ids()

    def evaluate(model: GenomeModel) -> dict[str, float]:
        predicted = predict_task(model, batches, checked, device)
        return {f"validation_{task.metric}": METRICS[task.metric](validation.labels, predicted)}

    facts = {
        "task": to_mapping(task),
        "train": to_mapping(dataclasses.replace(config, checkpoint_minutes=0.0)),
        "seed": seed,
        "source": source,
    }
    model = task_model(pretrained, task, training.labels, seed)
    run = Run(config, steps, seed, batch_at, evaluate, (1.0, "loss"), state, digest_of(facts))
    log = train(model, run, device, max_minutes)
    return model, log, predict_task(model, batches, testing.ids(), device)


def _rows(step: int, size: int, count: int, seed: int) -> np.ndarray:
    """Return the examples of a step: each epoch is one permutation, cut into batches."""
    first = step * size
    rows = []
    for epoch in range(first // count, (first + size - 1) // count + 1):
        order = np.random.default_rng(counter_seed("epoch", seed, epoch)).permutation(count)
        rows.append(order[max(0, first - epoch * count) : max(0, first + size - epoch * count)])
    return np.concatenate(rows)
