"""Predictions for the test variants of a set: likelihoods of given models, models that are trained, linear models.

Each run is kept as a file, and taken up again where its data and settings are the same.
"""

import dataclasses
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from genomelm.bench.fitted import fresh
from genomelm.bench.variant_sets import SetConfig, VariantSet
from genomelm.errors import UsageError
from genomelm.files import digest_of, read_json, sha256, write_json
from genomelm.models.config import read_model_file
from genomelm.models.model import GenomeModel
from genomelm.models.published import PublishedModel
from genomelm.scoring.scorer import scorer_for
from genomelm.settings import setting, to_mapping
from genomelm.tasks.baselines import baseline_predictions
from genomelm.tasks.config import TaskConfig
from genomelm.training.config import TrainConfig
from genomelm.training.finetune import finetune

log = logging.getLogger(__name__)

KMERS = "k-mers 1 to 6"
"""The linear model."""
POOL = 512
"""Variants that are scored at once."""
TASK = TaskConfig(
    name="variants",
    kind="variant_effect",
    sequence_column="ref",
    alt_column="alt",
    label_column="effect",
)
"""What a model learns: the effect, from both alleles."""


@dataclass(frozen=True)
class VariantModel:
    """A model that is trained from scratch."""

    name: str = setting(help="how the results call it")
    file: str = setting(help="model file")


@dataclass(frozen=True)
class VariantsConfig:
    """A file of configs/bench for `genomelm bench variants`."""

    sets: tuple[SetConfig, ...] = setting(help="sets of variants")
    models: tuple[VariantModel, ...] = setting(help="models that are trained from scratch")
    opponents: tuple[str, ...] = setting(help=f"names of those that others are held against; '{KMERS}' is one")
    train: TrainConfig = setting(factory=TrainConfig, help="training file's settings")
    seeds: tuple[int, ...] = setting((1, 2, 3), "seeds of trained models")
    width: int = setting(
        1024, "bases around a variant that likelihoods are of, where a FASTA file has them", minimum=16
    )

    def __post_init__(self) -> None:
        names = [*(model.name for model in self.models), KMERS]
        for what, given in (("models", names), ("sets", [one.name for one in self.sets])):
            if twice := [name for name in given if given.count(name) > 1]:
                raise UsageError(f"two {what} are called '{twice[0]}'; give each its own name")
        if unknown := set(self.opponents) - set(names):
            raise UsageError(f"opponent '{sorted(unknown)[0]}' is not among {', '.join(names)}")


@dataclass(frozen=True)
class Given:
    """A model folder that was given, opened, with the SHA-256 of its weights."""

    name: str
    model: GenomeModel | PublishedModel
    digest: str


@dataclass(frozen=True)
class Runs:
    """Predictions of one model on the test of one set.

    Attributes:
        name: of the model.
        how: "zero-shot", "from scratch", "fine-tuned", "linear" or "column".
        predictions: float64 (seeds, n), the less the more harmful.
    """

    name: str
    how: str
    predictions: np.ndarray


class RunFolder:
    """A folder of finished runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self, name: str, facts: dict, run: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the predictions (n,) of a run of the model `name` that `facts` decide; made where no file has them."""
        facts = {**facts, "version": version("genomelm")}
        key = digest_of(facts)
        path = self.folder / f"{key[:24]}.json"
        if path.exists():
            return np.array(read_json(path)["predictions"])
        begun = time.monotonic()
        found = run()
        seconds = round(time.monotonic() - begun, 1)
        log.info("%s, %s, %s, seed %s: %.0f s", facts["set"], name, facts["how"], facts.get("seed", "none"), seconds)
        write_json(path, {"name": name, **facts, "seconds": seconds, "predictions": found.tolist()})
        return found


def runs_of(
    config: VariantsConfig,
    read: VariantSet,
    data: Path,
    zero_shot: Sequence[Given],
    tuned: Sequence[Given],
    kept: RunFolder,
    device: torch.device,
) -> list[Runs]:
    """Return the predictions of every model on the test of a set: given ones, trained ones, linear, columns."""
    base = {"set": read.config.name, "data": digest_of(training_facts(read))}
    found = []
    for given in zero_shot:
        bases = None if read.config.fasta is None else sha256(data / read.config.fasta)
        facts = {**base, "model": given.digest, "how": "zero-shot", "width": config.width, "bases": bases}
        values = kept.take(given.name, facts, partial(likelihoods, config, read, data, given))
        found.append(Runs(given.name, "zero-shot", values[None]))
    starts = [(given.name, "fine-tuned", given.digest, lambda _seed, model=given.model: model) for given in tuned]
    for model in config.models:
        described = to_mapping(read_model_file(Path(model.file)))
        starts.append((model.name, "from scratch", described, partial(fresh, model.file)))
    for name, how, described, start in starts:
        runs = []
        for seed in config.seeds:
            facts = {**base, "model": described, "how": how, "train": config.train.facts(), "seed": seed}
            runs.append(kept.take(name, facts, partial(_trained, config.train, read, start, seed, device)))
        found.append(Runs(name, how, np.stack(runs)))
    linear = kept.take(KMERS, {**base, "model": KMERS, "how": "linear"}, partial(_linear, read))
    found.append(Runs(KMERS, "linear", linear[None]))
    return [*found, *(Runs(name, "column", values[read.tested][None]) for name, values in read.columns.items())]


def training_facts(read: VariantSet) -> dict:
    """Return what decides a run on a set, besides the model: alleles, effects and splits, in order."""
    examples = read.examples
    return {
        "alleles": [examples.references, examples.sequences, list(map(str, read.variants))],
        "effects": examples.labels.tolist(),
        "splits": examples.splits.tolist(),
    }


def likelihoods(config: VariantsConfig, read: VariantSet, data: Path, given: Given) -> np.ndarray:
    """Return the log-likelihood ratio of alternate to reference of each test variant in nats, (n,).

    As `genomelm score` gives it, both strands; where a table has whole sequences, they are what is read.
    """
    scorer = scorer_for(given.model, config.width)
    pairs = read.pairs(scorer, data)
    return np.concatenate([scorer.score(pairs[first : first + POOL]) for first in range(0, len(pairs), POOL)])


def _trained(
    train: TrainConfig, read: VariantSet, start: Callable[[int], GenomeModel], seed: int, device: torch.device
) -> np.ndarray:
    """Return the effects of the test variants (n,) by a model that was trained on the others."""
    quiet = dataclasses.replace(train, checkpoint_minutes=600.0)
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        return finetune(start(seed), TASK, read.examples, quiet, seed, state, device, "variants")[2]


def _linear(read: VariantSet) -> np.ndarray:
    return baseline_predictions(TASK, read.examples)[TASK.kmer_baseline]
