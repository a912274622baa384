"""Models that a benchmark trains for itself, as what attribution asks of a model."""

import dataclasses
import tempfile
from pathlib import Path

import torch

from genomelm.interpret.region_model import RegionModel, region_model
from genomelm.models.config import read_model_file
from genomelm.models.model import GenomeModel
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.metrics import measured
from genomelm.training.config import TrainConfig
from genomelm.training.finetune import finetune
from genomelm.training.pretrain import new_model


def fresh(file: str | Path, seed: int) -> GenomeModel:
    """Return a language model of a model file with drawn weights, in patches of the file's fixed stride."""
    settings = read_model_file(Path(file))
    return new_model(settings, Patcher(PatcherConfig("fixed_stride", stride=settings.stride)), seed)


def fitted(
    start: GenomeModel,
    task: TaskConfig,
    examples: Examples,
    train: TrainConfig,
    seed: int,
    device: torch.device,
) -> tuple[RegionModel, float]:
    """Fine-tune a model, and return it with its metric on the test examples."""
    with tempfile.TemporaryDirectory() as folder:
        once = dataclasses.replace(train, checkpoint_minutes=60.0)
        model, _, predicted = finetune(start, task, examples, once, seed, Path(folder) / "state", device, task.name)
    return region_model(f"seed{seed}", model.eval()), measured(task.metric, examples.where("test").labels, predicted)
