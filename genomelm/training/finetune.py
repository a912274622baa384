"""Fine-tuning: a task head on a language model's shell, all weights trained."""

import copy
import logging
from pathlib import Path

import numpy as np
import torch

from genomelm.errors import UsageError
from genomelm.files import digest_of
from genomelm.models.classes import CLASSES
from genomelm.models.encoding import Batch
from genomelm.models.model import GenomeModel
from genomelm.models.neutral import say_neutral
from genomelm.runtime import counter_seed, exact_float32, seeded
from genomelm.settings import to_mapping
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.metrics import METRICS
from genomelm.training.config import TrainConfig
from genomelm.training.loop import Run, train
from genomelm.training.task_batches import TaskBatches

logger = logging.getLogger(__name__)

PREDICT_BYTES = 1 << 14
"""Bytes (rows times length) of one forward pass of a prediction."""


def task_model(
    pretrained: GenomeModel, task: TaskConfig, labels: np.ndarray, seed: int, dropout: float = 0.0
) -> GenomeModel:
    """Return a model with the pretrained shell and a fresh head.

    Args:
        labels: training labels (n,); a regression is learned in units of their deviation, and an effect, which
            is 0 for equal alleles, in units of their root mean square.
    """
    if pretrained.alphabet != task.alphabet:
        raise UsageError(
            f"the model reads {pretrained.alphabet}, but task '{task.name}' is of {task.alphabet}: use a model file "
            f"with shell.alphabet {task.alphabet}"
        )
    config = copy.deepcopy(pretrained.config)
    mean, scale = 0.0, 1.0
    if task.kind == "regression":
        mean, scale = float(labels.mean()), float(labels.std())
    if task.kind == "variant_effect":
        scale = float(np.sqrt((labels**2).mean()))
    config.head = {
        **config.head,
        "kind": task.kind,
        "task": task.name,
        "reference": task.reference or "",
        "two_strands": task.two_strands,
        "dropout": dropout,
        "mean": mean,
        "scale": scale,
    }
    with seeded("head", seed):
        model = CLASSES[config.model_type, task.kind](config, pretrained.patcher)
    model.shell.load_state_dict(pretrained.shell.state_dict())
    return model


def predict_task(model: GenomeModel, batches: TaskBatches, examples: Examples, device: torch.device) -> np.ndarray:
    """Return the head's outputs, averaged over both strands where the task says so.

    Returns:
        float64 (n,); for token tasks (n, k), one a judged base.
    """
    size = max(1, PREDICT_BYTES // max((len(sequence) + 1 for sequence in examples.sequences), default=1))
    views = []
    with torch.inference_mode(), exact_float32():
        for reverse in (False, True) if batches.task.two_strands else (False,):
            out = []
            for first in range(0, len(examples), size):
                rows = np.arange(first, min(first + size, len(examples)))
                logits = model(**batches.batch(examples, rows, reverse).to(device).inputs()).logits
                out.append(logits[..., 0].double().cpu().numpy())
            views.append(np.concatenate(out))
    if batches.task.kind == "token_classification":
        # Column 0 is BOS. The other strand's last base is this one's first.
        views = [view[:, 1:] if number == 0 else view[:, :0:-1] for number, view in enumerate(views)]
    return batches.task.judged(np.mean(views, 0))


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
        The model, its log, and the predictions of the test split: (n,), for token tasks (n, k).
    """
    if pretrained.patcher is None:
        raise UsageError("the pretrained model has no patcher/ folder: write it with `genomelm pretrain`")
    say_neutral(pretrained)
    training, validation, testing = (examples.where(split) for split in ("train", "validation", "test"))
    if config.steps is None and config.epochs is None:
        raise UsageError("fine-tuning needs 'steps' or 'epochs' in the training file")
    if config.curriculum:
        raise UsageError("a task's examples are as long as they are: leave 'curriculum' out of the training file")
    steps = config.steps or max(1, round(config.epochs * len(training) / config.batch_size))
    if pretrained.is_conjoined and not task.two_strands:
        logger.warning("a conjoined model reads both strands alike, but the task's labels are those of one strand")
    batches = TaskBatches(task, pretrained.patcher, pretrained.is_conjoined)

    def batch_at(step: int) -> tuple[Batch, torch.Tensor]:
        rows = _rows(step, config.batch_size, len(training), seed)
        reverse = np.zeros(len(rows), bool)
        if task.two_strands:
            reverse = np.random.default_rng(counter_seed("strand", seed, step)).integers(0, 2, len(rows)) == 1
        return batches.batch(training, rows, reverse), batches.labels(training, rows, reverse)

    def evaluate(model: GenomeModel) -> dict[str, float]:
        predicted = predict_task(model, batches, validation, device)
        truth = task.judged(validation.labels)
        return {f"validation_{task.metric}": METRICS[task.metric](truth.ravel(), predicted.ravel())}

    facts = {
        "task": to_mapping(task),
        "train": config.facts(),
        "seed": seed,
        "source": source,
    }
    model = task_model(pretrained, task, training.labels, seed, config.dropout)
    run = Run(config, steps, seed, batch_at, evaluate, (1.0, "loss"), state, digest_of(facts), most_alarms=None)
    log = train(model, run, device, max_minutes)
    return model, log, predict_task(model, batches, testing, device)


def _rows(step: int, size: int, count: int, seed: int) -> np.ndarray:
    """Return the examples of a step: each epoch is one permutation, cut into batches."""
    first = step * size
    rows = []
    for epoch in range(first // count, (first + size - 1) // count + 1):
        order = np.random.default_rng(counter_seed("epoch", seed, epoch)).permutation(count)
        rows.append(order[max(0, first - epoch * count) : max(0, first + size - epoch * count)])
    return np.concatenate(rows)
