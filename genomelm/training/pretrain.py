"""Pretraining: next-byte or hidden-byte loss over random windows of the training regions."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch

from genomelm.errors import UsageError
from genomelm.files import digest_of
from genomelm.models.classes import CLASSES
from genomelm.models.config import LANGUAGE_HEADS, Settings
from genomelm.models.families import config_of
from genomelm.models.heads import BITS
from genomelm.models.loading import load_patcher
from genomelm.models.model import GenomeModel
from genomelm.nn.s5 import monitor
from genomelm.patching.patcher import Patcher
from genomelm.patching.store import PatchStore
from genomelm.runtime import counter_seed
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval, check_apart
from genomelm.settings import to_mapping
from genomelm.training.config import TrainConfig
from genomelm.training.evaluation import window_bits
from genomelm.training.loop import Run, train
from genomelm.training.windows import GenomeWindows, hide_some, label_ids

READING_WINDOWS = 24
"""Held-out windows of a reading in the log; the full figure comes from `genomelm evaluate`."""


def new_model(settings: Settings, patcher: Patcher, seed: int) -> GenomeModel:
    """Return a language model with weights drawn from `seed`; the caller's random state is left alone."""
    config = config_of(settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("weights", seed))
        return CLASSES[config.model_type, LANGUAGE_HEADS[settings.shell.objective]](config, patcher)


def pretrain(
    genome: Genome,
    patches: Path,
    settings: Settings,
    config: TrainConfig,
    train_regions: Sequence[Interval],
    test_regions: Sequence[Interval],
    state: Path,
    device: torch.device,
    max_minutes: float | None = None,
) -> tuple[GenomeModel, list[dict]]:
    """Train a language model on `train_regions`, with readings on `test_regions`, of S5's poles and steps too.

    Args:
        genome: the reference.
        patches: folder that `genomelm patch` wrote.
        settings: model file.
        config: training file; `steps` must be set.
        state: folder of checkpoints.

    Returns:
        The model and its log.
    """
    if config.steps is None:
        raise UsageError("pretraining needs 'steps' in the training file")
    patcher = load_patcher(patches / "patcher", device)
    if patcher.config.alphabet != settings.shell.alphabet:
        raise UsageError(
            f"the model reads {settings.shell.alphabet}, but {patches} holds patches of {patcher.config.alphabet}: "
            f"set shell.alphabet to {patcher.config.alphabet}"
        )
    store = PatchStore(patches / "store", fingerprint=patcher.fingerprint)
    if store.facts.get("fitted_on_it", True):
        check_apart(test_regions, map(Interval.parse, patcher.training), "the training region of the patches' scores")
    training = GenomeWindows(genome, store, patcher, train_regions, config.window)
    testing = GenomeWindows(genome, store, patcher, test_regions, config.window)
    tiles = testing.tiles()
    some = tiles[:: max(1, len(tiles) // READING_WINDOWS)][:READING_WINDOWS]

    def batch_at(step: int) -> tuple:
        batch = training.random_batch(config.batch_size, "windows", config.seed, step)
        if settings.shell.objective == "masked":
            return hide_some(batch, config.masked_share, "hidden", config.seed, step)
        return batch, label_ids(batch)

    def evaluate(model: GenomeModel) -> dict[str, float]:
        bits, counts = window_bits(model, testing, some, device)
        return {"test_bits": float(bits.sum() / counts.sum()), **monitor(model)}

    facts = {
        "model": to_mapping(settings),
        "train": to_mapping(dataclasses.replace(config, checkpoint_minutes=0.0)),
        "patching": patcher.fingerprint,
        "reference": genome.digest,
        "regions": [str(region) for region in train_regions],
    }
    run = Run(config, config.steps, config.seed, batch_at, evaluate, (BITS, "bits"), state, digest_of(facts))
    model = new_model(settings, patcher, config.seed)
    return model, train(model, run, device, max_minutes)
