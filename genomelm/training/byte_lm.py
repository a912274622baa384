"""Training of the small byte language model: next-byte loss over random pieces of the training regions."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from genomelm.errors import InputError
from genomelm.files import digest_of
from genomelm.models.byte_lm import ByteLM, ByteLMConfig, ByteNetwork
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.language_head import BITS
from genomelm.patching.count_model import CountModel
from genomelm.runtime import counter_seed, seeded, without_gradients
from genomelm.seq.alphabet import ALPHABETS, check_letters, encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.settings import to_mapping
from genomelm.training.config import TrainConfig
from genomelm.training.loop import Run, train
from genomelm.training.parts import count_letters, share
from genomelm.training.windows import label_ids, some_of, tiled

READING_PIECES = 24
"""Held-out pieces of a reading in the log; the full figure is measured at the end."""

COUNT_ORDER = {"dna": 11, "rna": 11, "protein": 3}
"""Order of the count model that a byte language model is measured beside."""


class Pieces:
    """Pieces of at most `window` bytes, each a record of its own; every byte of the regions is drawn equally often.

    Args:
        genome: the reference.
        regions: where the pieces come from; those shorter than the window are taken too.
        window: bytes a piece.
        config: alphabet and strands.
    """

    def __init__(self, genome: Genome, regions: Sequence[Interval], window: int, config: ByteLMConfig) -> None:
        self.genome, self.window, self.config = genome, window, config
        self.regions = [region for region in regions if len(region)]
        self.edges = np.cumsum([len(region) + window - 1 for region in self.regions])

    def random_batch(self, size: int, *counters: int | str, mine: slice = slice(None)) -> Batch:
        """Return the rows `mine` of a batch of random pieces, on random strands if the config says so: a pure function
        of `counters`."""
        generator = np.random.default_rng(counter_seed(*counters))
        places, strands = generator.integers(0, self.edges[-1], size), generator.integers(0, 2, size)
        pieces = [self.piece(int(place)) for place in places]
        if self.config.both_strands:
            pieces = [dataclasses.replace(piece, strand="+-"[s]) for piece, s in zip(pieces, strands, strict=True)]
        return self.batch(pieces[mine])

    def piece(self, place: int) -> Interval:
        """Return what lies inside a region of the window at `place`, 0 to edges[-1] - 1.

        A region's first window holds its first base alone, its last one the last base alone.
        """
        index = int(np.searchsorted(self.edges, place, side="right"))
        region, skipped = self.regions[index], int(self.edges[index - 1]) if index else 0
        end = region.start + place - skipped + 1
        return Interval(region.contig, max(region.start, end - self.window), min(region.end, end))

    def batch(self, pieces: Sequence[Interval]) -> Batch:
        """Return pieces as a batch; the patch starts in it mean nothing."""
        records = [encode(self.genome.fetch(piece), self.config.alphabet) for piece in pieces]
        return make_batch(records, [np.zeros(len(record) + 1, bool) for record in records])


def new_byte_network(config: ByteLMConfig, seed: int) -> ByteNetwork:
    """Return a network with weights drawn from `seed`; the caller's random state is left alone."""
    with seeded("weights", seed):
        return ByteNetwork(config)


def train_byte_lm(
    genome: Genome,
    settings: ByteLMConfig,
    config: TrainConfig,
    train_regions: Sequence[Interval],
    test_regions: Sequence[Interval],
    state: Path,
    device: torch.device,
    max_minutes: float | None = None,
) -> tuple[ByteLM, list[dict]]:
    """Train a byte language model on `train_regions`, with readings on `test_regions` if there are any.

    Args:
        genome: the reference.
        settings: what the model is made of.
        config: `steps` must be set.
        state: folder of checkpoints.

    Returns:
        The model and its log.

    Raises:
        InputError: a region that is not in the genome, or training regions of another alphabet or without letters.
    """
    _check_regions(genome, train_regions, settings.alphabet, "the training regions")
    _check_regions(genome, test_regions, settings.alphabet, "the test regions")
    training = Pieces(genome, train_regions, config.window, settings)
    testing = Pieces(genome, test_regions, config.window, settings)
    some = some_of(tiled(testing.regions, config.window), READING_PIECES)

    def batch_at(step: int, part: int, parts: int) -> tuple[Batch, torch.Tensor]:
        mine = share(config.batch_size, part, parts)
        batch = training.random_batch(config.batch_size, "pieces", config.seed, step, mine=mine)
        return batch, label_ids(batch)

    def evaluate(network: ByteNetwork) -> dict[str, float]:
        if not some:
            return {}
        batch = testing.batch(some).to(device)
        with without_gradients(device):
            loss = network(batch.ids, labels=label_ids(batch), return_logits=False).loss
        return {"test_bits": loss.item() * BITS}

    names = [str(region) for region in train_regions]
    facts = {
        "model": to_mapping(settings),
        "train": config.facts(),
        "reference": genome.digest,
        "regions": names,
    }
    if config.early_stopping is not None:  # the best reading is of these
        facts["held_out"] = [str(region) for region in test_regions]
    watched = {"goal": ("test_bits", -1), "targets": lambda *part: count_letters(*part, settings.alphabet, 1)}
    run = Run(config, config.steps, config.seed, batch_at, evaluate, (BITS, "bits"), state, digest_of(facts), **watched)
    network = new_byte_network(settings, config.seed)
    log = train(network, run, device, max_minutes)
    return ByteLM(network, names), log


def measure_byte_lm(
    model: ByteLM, genome: Genome, train_regions: Sequence[Interval], test_regions: Sequence[Interval]
) -> dict:
    """Return bits per base on the test regions, of the model, of a count model of the same data, and of chance."""

    def records(regions: Sequence[Interval]) -> list[np.ndarray]:
        return [encode(genome.fetch(region), model.alphabet) for region in regions]

    order = COUNT_ORDER[model.alphabet]
    counted = CountModel.fit(records(train_regions), order, model.alphabet, model.config.both_strands)
    test = records(test_regions)
    measured = {
        "bits_per_base": [model.bits_per_base(ids) for ids in test],
        "count_model": [counted.bits_per_base(ids) for ids in test],
    }
    bases = sum(count for _, count in measured["count_model"])
    means = {name: sum(bits * count for bits, count in values) / bases for name, values in measured.items()}
    return {
        "test_regions": [str(region) for region in test_regions],
        "test_bases": bases,
        **means,
        "count_model_order": order,
        "uniform": float(np.log2(model.letters)),
    }


def _check_regions(genome: Genome, regions: Sequence[Interval], alphabet: str, what: str) -> None:
    """Refuse regions of another alphabet, and regions that hold no letter."""
    if not regions:
        return
    check_letters(map(genome.fetch, regions), alphabet, f"{genome.path}: {what}")
    found = encode("".join({letter for region in regions for letter in set(genome.fetch(region))}), alphabet)
    if not np.isin(found, ALPHABETS[alphabet].ids).any():
        raise InputError(f"{genome.path}: {what} hold no letter of {alphabet}: choose others")
