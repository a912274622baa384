"""Pretraining: next-byte or hidden-byte loss over rows of a genome's regions, or of the sources of a data file."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from genomelm.errors import UsageError
from genomelm.files import digest_of
from genomelm.models.classes import CLASSES
from genomelm.models.config import LANGUAGE_HEADS, Settings
from genomelm.models.families import config_of
from genomelm.models.heads import BITS
from genomelm.models.model import GenomeModel
from genomelm.patching.patcher import Patcher
from genomelm.runtime import processes, seeded
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.settings import to_mapping
from genomelm.training import row_plan
from genomelm.training.config import TUNING, TrainConfig
from genomelm.training.curriculum import Stage, first_step, stage_at, stages_of
from genomelm.training.evaluation import bits_by_case
from genomelm.training.loop import Run, train
from genomelm.training.mixing import Mixture
from genomelm.training.parts import count_letters, share
from genomelm.training.side_tracks import SideTracks
from genomelm.training.sources import Data, GenomeSource, RecordSource
from genomelm.training.windows import hide_some, label_ids

log = logging.getLogger(__name__)

READING_WINDOWS = 24
"""Held-out windows of a source in a reading of the log; the full figure comes from `genomelm evaluate`."""

PADDING_STEPS = 16
"""Steps whose batches are looked at for the share of padding."""


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
    """Train a language model on regions of one genome: `pretrain_on` its short form.

    Args:
        genome: the reference.
        patches: folder that `genomelm patch` wrote.
        side: codon phases and conservation, for models that read them.
    """
    data = Data.of_genome(genome, patches, train_regions, test_regions, side, device)
    return pretrain_on(data, settings, config, state, device, max_minutes)


def pretrain_on(
    data: Data,
    settings: Settings,
    config: TrainConfig,
    state: Path,
    device: torch.device,
    max_minutes: float | None = None,
) -> tuple[GenomeModel, list[dict]]:
    """Train a language model, with readings on what is held out, of S5's poles and steps too.

    Args:
        data: the sources.
        settings: model file.
        config: training file; `steps` must be set.
        state: folder of checkpoints.

    Returns:
        The model and its log.
    """
    config.refuse(TUNING, "fine-tuning", "pretraining")
    if config.steps is None:
        raise UsageError("pretraining needs 'steps' in the training file")
    data.prepare(settings)
    genomes = [source for source in data.sources if isinstance(source, GenomeSource)]
    if config.repeat_weight != 1 and not genomes:
        raise UsageError(
            "repeat_weight is of a genome's bases in lower case, and all sources are records: leave it out"
        )
    if config.records == "pack" and not any(isinstance(source, RecordSource) for source in data.sources):
        raise UsageError("records: pack is for sources of records, and there is none: leave it out")
    # Windows of whole attention blocks, of patches of eight bases.
    stages = stages_of(config, 8 * getattr(settings.backbone, "block", 1))
    model = new_model(settings, data.patcher, config.seed)
    if model.reads_several:
        model.give_patchers(data.patchers)
    if config.records == "pack" and model.is_conjoined:
        raise UsageError("a conjoined model reads a record a row: set records to pad")
    steps = Steps(data, config, stages, model)
    held_out = _HeldOut(data, config, steps.labelled)

    told = {}
    if any(isinstance(source, RecordSource) for source in data.sources):
        told["padding"] = steps.padding()
        log.info("%.1f %% of the bytes of batches are padding", 100 * told["padding"])

    def evaluate(model: GenomeModel) -> dict[str, float]:
        return {**held_out.bits(model, device), **told}

    facts = {
        "model": to_mapping(settings),
        "train": config.facts(),
        "patching": {modality: patcher.fingerprint for modality, patcher in data.patchers.items()},
        **data.facts(),
        "regions": data.train_regions(),
    }
    if config.records == "pack":
        facts["rows"] = row_plan.FORMAT
    if config.early_stopping is not None:  # the best reading is of these
        facts["held_out"] = {held_out.split: data.regions_of(held_out.split)}
    shift = int(settings.shell.objective == "causal")
    watched = {
        "goal": (f"{held_out.split}_bits", -1),
        "targets": lambda *part: count_letters(*part, model.alphabet, shift),
    }
    run = Run(config, config.steps, config.seed, steps, evaluate, (BITS, "bits"), state, digest_of(facts), **watched)
    return model, train(model, run, device, max_minutes)


class Steps:
    """The batch of any step: a pure function of (seed, step, part).

    Args:
        data: the sources.
        config: training file.
        stages: lengths of window, with the rows of a step of each.
        model: says what its batches hold.

    Raises:
        UsageError: the rows of a stage cannot be shared out among processes and micro-batches.
    """

    def __init__(self, data: Data, config: TrainConfig, stages: Sequence[Stage], model: GenomeModel) -> None:
        self.config, self.stages, self.masked = config, stages, model.objective == "masked"
        self.labelled = model.config.shell.get("alphabet") == "mixed"
        reach = model.shell.reach if config.records == "pack" else None
        self.mixtures = []
        for stage in stages:
            share(stage.rows, 0, processes()[1] * config.accumulate)
            found = data.rows("train", stage.window, self.labelled, stage.rows, reach)
            names, weights = zip(*((source.name, source.weight) for source, _ in found), strict=True)
            rows = [rows for _, rows in found]
            for one in rows:
                one.repeat_weight = config.repeat_weight
            self.mixtures.append(Mixture(rows, names, weights, config.order, config.seed, model.is_conjoined))

    def __call__(self, step: int, part: int = 0, parts: int = 1) -> tuple:
        """Return the batch and labels of part `part` of `parts` of a step."""
        number = stage_at(step, self.config.steps, len(self.stages))
        window, rows = self.stages[number]
        mine = share(rows, part, parts)
        before = (step - first_step(number, self.config.steps, len(self.stages))) * rows
        batch = self.mixtures[number].batch(step, rows, mine, before)
        if not self.masked:
            return batch, label_ids(batch)
        hidden = {"rows": rows, "mine": mine, "width": window + 1}
        return hide_some(batch, self.config.masked_share, "hidden", self.config.seed, step, **hidden)

    def padding(self) -> float:
        """Return the share of padding in the batches of some steps, evenly spaced."""
        some = np.unique(np.linspace(0, self.config.steps - 1, PADDING_STEPS).astype(int)).tolist()
        batches = [self(step)[0] for step in some]
        return 1 - sum(int(batch.mask.sum()) for batch in batches) / sum(batch.mask.numel() for batch in batches)


class _HeldOut:
    """Some held-out windows of each source."""

    def __init__(self, data: Data, config: TrainConfig, labelled: bool) -> None:
        self.split = data.held_out()
        self.rows = [
            (source, rows, rows.some(READING_WINDOWS))
            for source, rows in data.rows(self.split, config.window, labelled)
        ]

    def bits(self, model: GenomeModel, device: torch.device) -> dict[str, float]:
        """Return bits per base, of several sources their mean by weight and each one's own, and those of repeats and of
        other bases apart where there are both."""
        found, apart = [], {}
        name = f"{self.split}_bits"
        for source, rows, some in self.rows:
            measured = bits_by_case(model, rows, some, device)
            found.append((source, float(measured.bits.sum() / measured.counts.sum())))
            start = name if len(self.rows) == 1 else f"{name}_{source.name}"
            for part, (bits, counts) in measured.parts().items():
                apart[f"{start}_{part}"] = float(bits.sum() / counts.sum())
        if len(found) == 1:
            return {name: found[0][1], **apart}
        weights = [source.weight for source, _ in found]
        mean = float(np.average([value for _, value in found], weights=weights if sum(weights) else None))
        return {name: mean, **{f"{name}_{source.name}": value for source, value in found}, **apart}
