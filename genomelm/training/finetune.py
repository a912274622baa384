"""Fine-tuning: heads of one task or of several on a language model's trunk."""

import copy
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from genomelm.errors import UsageError
from genomelm.files import digest_of
from genomelm.models.classes import CLASSES
from genomelm.models.encoding import Batch
from genomelm.models.model import GenomeModel
from genomelm.models.neutral import say_neutral
from genomelm.runtime import counter_seed, exact_float32, seeded, without_gradients
from genomelm.settings import to_mapping
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.metrics import measured
from genomelm.training.config import PRETRAINING, TrainConfig
from genomelm.training.loop import Run, train
from genomelm.training.parts import share
from genomelm.training.task_batches import TaskBatches
from genomelm.training.task_order import TaskOrder
from genomelm.training.tuning import Tuning

logger = logging.getLogger(__name__)

PREDICT_BYTES = 1 << 14
"""Bytes (rows times length) of one forward pass of a prediction."""

Labelled = tuple[TaskConfig, Examples]


@dataclasses.dataclass(frozen=True)
class Tuned:
    """What fine-tuning gives.

    Attributes:
        model: with plain weights.
        log: of the run.
        predictions: of each task's test split, by the task's name: (n,), or as `predict_task` returns them.
        tuning: what was trained, and how large the adapters were.
    """

    model: GenomeModel
    log: list[dict]
    predictions: dict[str, np.ndarray]
    tuning: dict


def task_model(
    pretrained: GenomeModel, task: TaskConfig, labels: np.ndarray, seed: int, dropout: float = 0.0
) -> GenomeModel:
    """Return a model with the pretrained trunk and a fresh head.

    Args:
        labels: training labels (n, ...); a regression is learned in units of their deviation, and an effect, which
            is 0 for equal alleles, in units of their root mean square.
    """
    return _with_head(pretrained, task.kind, task_head(pretrained, task, labels, dropout), seed)


def tasks_model(pretrained: GenomeModel, tasks: Sequence[Labelled], seed: int, config: TrainConfig) -> GenomeModel:
    """Return a model with the pretrained trunk and a fresh head for each task, of its training labels.

    Raises:
        UsageError: two tasks of one name.
    """
    names = [task.name for task, _ in tasks]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"two tasks are called '{twice[0]}'; give each its own name")
    heads = {
        task.name: task_head(pretrained, task, examples.where("train").labels, config.dropout)
        | {"weight": task.weight if config.task_order == "alternate" else 1.0}
        for task, examples in tasks
    }
    return _with_head(pretrained, "multi_task", {"kind": "multi_task", "tasks": heads}, seed)


def task_head(pretrained: GenomeModel, task: TaskConfig, labels: np.ndarray, dropout: float) -> dict:
    """Return the settings of a task's head (models/config.py), with the units of its training labels (n, ...).

    Raises:
        UsageError: the model reads another alphabet.
    """
    if pretrained.alphabet != task.alphabet:
        raise UsageError(
            f"the model reads {pretrained.alphabet}, but task '{task.name}' is of {task.alphabet}: use a model file "
            f"with shell.alphabet {task.alphabet}"
        )
    means, scales = [0.0], [1.0]
    if not task.kind.endswith("_classification"):
        columns = [column[~np.isnan(column)] for column in (labels.T if task.label_columns else [labels.ravel()])]
        if task.kind == "regression":
            means, scales = [float(c.mean()) for c in columns], [float(c.std()) for c in columns]
        else:
            means, scales = [0.0] * len(columns), [float(np.sqrt((c**2).mean())) for c in columns]
    several = len(means) > 1
    return {
        **pretrained.config.head,
        "kind": task.kind,
        "task": task.name,
        "reference": task.reference or "",
        "window": task.width if task.source == "vcf" else 0,
        "two_strands": task.two_strands,
        "dropout": dropout,
        "outputs": task.outputs,
        "mean": 0.0 if several else means[0],
        "scale": 1.0 if several else scales[0],
        "means": means if several else [],
        "scales": scales if several else [],
        "multi_label": task.multi_label,
        "names": list(task.output_names),
        "per_base": task.per_base,
    }


def _with_head(pretrained: GenomeModel, kind: str, head: dict, seed: int) -> GenomeModel:
    config = copy.deepcopy(pretrained.config)
    config.head = head
    with seeded("head", seed):
        model = CLASSES[config.model_type, kind](config, pretrained.patcher)
    model.shell.load_state_dict(pretrained.shell.state_dict())
    return model


def predict_task(model: GenomeModel, batches: TaskBatches, examples: Examples, device: torch.device) -> np.ndarray:
    """Return the head's outputs, averaged over both strands where the task says so.

    Returns:
        float64 (n,); where bases have labels (n, k), one a judged base; with an axis of outputs behind it where there
        are several.
    """
    size = max(1, PREDICT_BYTES // max((len(sequence) + 1 for sequence in examples.sequences), default=1))
    views = []
    with without_gradients(device), exact_float32():
        for reverse in (False, True) if batches.task.two_strands else (False,):
            out = []
            for first in range(0, len(examples), size):
                rows = np.arange(first, min(first + size, len(examples)))
                logits = model(**batches.batch(examples, rows, reverse).to(device).inputs()).logits
                found = logits[batches.name] if batches.name else logits
                out.append((found[..., 0] if batches.task.outputs == 1 else found).double().cpu().numpy())
            views.append(np.concatenate(out))
    if batches.task.of_bases:
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
    """Train the head of one task, and the trunk under it; as `finetune_tasks`.

    Returns:
        The model, its log, and the predictions of the test split, as `predict_task` returns them.
    """
    tuned = finetune_tasks(pretrained, [(task, examples)], config, seed, state, device, source, max_minutes)
    return tuned.model, tuned.log, tuned.predictions[task.name]


def finetune_tasks(
    pretrained: GenomeModel,
    tasks: Sequence[Labelled],
    config: TrainConfig,
    seed: int,
    state: Path,
    device: torch.device,
    source: str,
    max_minutes: float | None = None,
) -> Tuned:
    """Train a head for each task, and what `config.tune` says of the trunk under them, on the training splits.

    A step is of one task; which one, and which of its examples, is a pure function of (seed, step).

    Args:
        tasks: each with its examples; a model of one task has its head alone, one of several a head for each.
        source: digest of the pretrained weights and the data files, for the run's fingerprint.
    """
    _choose_alphabet(pretrained, [task for task, _ in tasks])
    if pretrained.patcher is None:
        raise UsageError("the pretrained model has no patcher/ folder: write it with `genomelm pretrain`")
    say_neutral(pretrained)
    if config.steps is None and config.epochs is None:
        raise UsageError("fine-tuning needs 'steps' or 'epochs' in the training file")
    config.refuse(PRETRAINING, "pretraining", "fine-tuning")
    if config.curriculum:
        raise UsageError("a task's examples are as long as they are: leave 'curriculum' out of the training file")
    several = len(tasks) > 1
    runs = [_TaskRun(pretrained, task, examples, seed, several) for task, examples in tasks]
    total = sum(len(run.training) for run in runs)
    steps = config.steps or max(1, round(config.epochs * total / config.batch_size))
    order = TaskOrder(config.task_order, [task.weight for task, _ in tasks], steps, seed)

    def batch_at(step: int, part: int, parts: int) -> tuple[Batch, torch.Tensor]:
        which, number = order.at(step)
        return runs[which].batch_at(number, config.batch_size, part, parts)

    def evaluate(model: GenomeModel) -> dict[str, float]:
        readings = {run.reading: run.measure(model, device) for run in runs}
        return readings | ({"validation_mean": float(np.mean(list(readings.values())))} if several else {})

    described = [to_mapping(task) for task, _ in tasks]
    facts = {
        "task": described if several else described[0],
        "train": config.facts(),
        "seed": seed,
        "source": source,
        "patching": pretrained.patcher.fingerprint,
    }
    if config.early_stopping is not None:  # the best reading is of these
        facts["held_out"] = [digest_of([run.validation.sequences, run.validation.labels.tolist()]) for run in runs]
    if several:
        model = tasks_model(pretrained, tasks, seed, config)
    else:
        model = task_model(pretrained, tasks[0][0], runs[0].training.labels, seed, config.dropout)
    tuning = Tuning(model, config, seed)
    watched = {"most_alarms": None, "goal": ("validation_mean" if several else runs[0].reading, 1)}
    run = Run(config, steps, seed, batch_at, evaluate, (1.0, "loss"), state, digest_of(facts), **watched)
    log = train(model, run, device, max_minutes)
    tuning.finish()
    testing = {one.task.name: predict_task(model, one.batches, one.testing, device) for one in runs}
    return Tuned(model, log, testing, tuning.facts)


def _choose_alphabet(pretrained: GenomeModel, tasks: Sequence[TaskConfig]) -> None:
    """Let a model of several alphabets read that of the tasks."""
    alphabets = sorted({task.alphabet for task in tasks})
    if len(alphabets) > 1:
        raise UsageError(
            f"tasks that are trained together read one alphabet, and these are of {', '.join(alphabets)}: train them "
            "one by one"
        )
    if pretrained.reads_several:
        pretrained.read(alphabets[0])


class _TaskRun:
    """One task in training: its splits, the batches of its steps, and its readings."""

    def __init__(self, pretrained: GenomeModel, task: TaskConfig, examples: Examples, seed: int, several: bool) -> None:
        self.task = task
        self.training, self.validation, self.testing = map(examples.where, ("train", "validation", "test"))
        # A task that is alone draws by the seed as it did before there were several.
        self.counters = (seed, task.name) if several else (seed,)
        self.reading = f"{task.name}_validation_{task.metric}" if several else f"validation_{task.metric}"
        self.batches = TaskBatches(
            task, pretrained.patcher, pretrained.is_conjoined, name=task.name if several else None
        )
        if pretrained.is_conjoined and not task.two_strands:
            logger.warning("a conjoined model reads both strands alike, but the task's labels are those of one strand")

    def batch_at(self, number: int, size: int, part: int, parts: int) -> tuple[Batch, torch.Tensor]:
        """Return the share `part` of `parts` of this task's step `number`."""
        mine = share(size, part, parts)
        rows = _rows(number, size, len(self.training), *self.counters)
        reverse = np.zeros(len(rows), bool)
        if self.task.two_strands:
            drawn = np.random.default_rng(counter_seed("strand", *self.counters, number))
            reverse = drawn.integers(0, 2, len(rows)) == 1
        rows, reverse = rows[mine], reverse[mine]
        return self.batches.batch(self.training, rows, reverse), self.batches.labels(self.training, rows, reverse)

    def measure(self, model: GenomeModel, device: torch.device) -> float:
        """Return the metric of the validation split."""
        predicted = predict_task(model, self.batches, self.validation, device)
        return measured(self.task.metric, self.task.judged(self.validation.labels), predicted)


def _rows(step: int, size: int, count: int, seed: int, *more: str) -> np.ndarray:
    """Return the examples of a step: each epoch is one permutation, cut into batches."""
    first = step * size
    rows = []
    for epoch in range(first // count, (first + size - 1) // count + 1):
        order = np.random.default_rng(counter_seed("epoch", seed, *more, epoch)).permutation(count)
        rows.append(order[max(0, first - epoch * count) : max(0, first + size - epoch * count)])
    return np.concatenate(rows)
