"""Pretraining: next-byte or hidden-byte loss over random windows of the training regions."""

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
from genomelm.runtime import seeded
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval, check_apart
from genomelm.settings import to_mapping
from genomelm.training.config import TrainConfig
from genomelm.training.curriculum import stage_at, stages_of
from genomelm.training.evaluation import window_bits
from genomelm.training.loop import Run, train
from genomelm.training.side_tracks import SideTracks
from genomelm.training.windows import GenomeWindows, hide_some, label_ids, some_of

READING_WINDOWS = 24
"""Held-out windows of a reading in the log; the full figure comes from `genomelm evaluate`."""


def new_model(settings: Settings, patcher: Patcher, seed: int) -> GenomeModel:
    """Return a language model with weights drawn from `seed`; the caller's random state is left alone."""
    config = config_of(settings)
    with seeded("weights", seed):
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
    side: SideTracks | None = None,
) -> tuple[GenomeModel, list[dict]]:
    """Train a language model on `train_regions`, with readings on `test_regions`, of S5's poles and steps too.

    Args:
        genome: the reference.
        patches: folder that `genomelm patch` wrote.
        settings: model file.
        config: training file; `steps` must be set.
        state: folder of checkpoints.
        side: codon phases and conservation, for models that read them.

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
    # Windows of whole attention blocks, of patches of eight bases.
    stages = stages_of(config, 8 * getattr(settings.backbone, "block", 1))
    training = [GenomeWindows(genome, store, patcher, train_regions, stage.window, side) for stage in stages]
    testing = GenomeWindows(genome, store, patcher, test_regions, config.window, side)
    some = some_of(testing.tiles(), READING_WINDOWS)

    model = new_model(settings, patcher, config.seed)

    def batch_at(step: int) -> tuple:
        number = stage_at(step, config.steps, len(stages))
        rows = stages[number].rows
        batch = training[number].random_batch(rows, "windows", config.seed, step, conjoined=model.is_conjoined)
        if settings.shell.objective == "masked":
            return hide_some(batch, config.masked_share, "hidden", config.seed, step)
        return batch, label_ids(batch)

    def evaluate(model: GenomeModel) -> dict[str, float]:
        bits, counts = window_bits(model, testing, some, device)
        return {"test_bits": float(bits.sum() / counts.sum()), **monitor(model)}

    facts = {
        "model": to_mapping(settings),
        "train": config.facts(),
        "patching": patcher.fingerprint,
        "reference": genome.digest,
        "regions": [str(region) for region in train_regions],
        **({} if side is None else side.facts()),
    }
    run = Run(config, config.steps, config.seed, batch_at, evaluate, (BITS, "bits"), state, digest_of(facts))
    return model, train(model, run, device, max_minutes)
