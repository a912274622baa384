"""How often the check `signal` calls models distinguishable from null: where there is nothing, and where there is.

Each run is the check as `genomelm attribute` makes it: `regions` regions against a dinucleotide shuffle of each, beside
`null_models` models with random weights on the first `null_regions` of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import binomtest

from genomelm.bench.fitted import fitted, fresh
from genomelm.bench.signal_data import examples_of, regions
from genomelm.errors import UsageError
from genomelm.interpret.distinguishable import LEVEL, signal
from genomelm.interpret.locus_model import with_random_weights
from genomelm.interpret.null import counter_rng, dinucleotide_shuffle
from genomelm.interpret.region_model import RegionModel, region_model
from genomelm.settings import setting
from genomelm.tasks.config import TaskConfig
from genomelm.training.config import TrainConfig
from genomelm.training.finetune import task_model

Maps = tuple[np.ndarray, np.ndarray]
"""Effects (n, l, 4) on regions and on a shuffle of each."""


@dataclass(frozen=True)
class SignalConfig:
    """A file of configs/bench for `genomelm bench signal`."""

    families: tuple[str, ...] = setting(help="model files whose random weights are judged")
    model: str = setting(help="model file that is trained")
    train: TrainConfig = setting(factory=TrainConfig, help="training file's settings")
    examples: int = setting(1200, "sequences to learn from, a tenth each to validate and to test", minimum=40)
    length: int = setting(64, "bases of a sequence", minimum=32)
    regions: int = setting(32, "regions of a run", minimum=8)
    null_regions: int = setting(12, "regions that null models are run on", minimum=8)
    null_models: int = setting(8, "models with random weights beside each run", minimum=3)
    draws: int = setting(16, "models with random weights judged, of each family", minimum=4)
    shuffled: int = setting(10, "models trained on shuffled labels", minimum=0)
    sets: int = setting(10, "sets of regions that a trained model is judged on", minimum=1)
    strengths: tuple[float, ...] = setting((2.0,), "effects of a planted word, in deviations of the label's noise")
    shares: tuple[float, ...] = setting((1.0,), "shares of the regions that hold planted words")

    def __post_init__(self) -> None:
        if self.draws < self.null_models + 2:
            raise UsageError(
                f"draws is {self.draws}: two models are judged beside {self.null_models} others (null_models), so give "
                f"{self.null_models + 2} or more"
            )
        if self.null_regions > self.regions:
            raise UsageError(f"null_regions is {self.null_regions}, and a run has {self.regions} regions: give no more")


TASK = TaskConfig(name="planted", kind="regression", label_column="label", two_strands=True)


def measure(config: SignalConfig, device: torch.device, say: Callable[[str], None]) -> list[dict]:
    """Run the check in situations of every kind.

    Returns:
        {"situation", "models" (seeds of a run), "null" (whether there is nothing to find), "runs", "distinguishable"
        (how many), "rate", "low", "high" (its 95 % interval, as if runs were independent), "p" (of each run)}; where
        models were trained "r2" of each on its test examples, with the labels as they are.
    """
    rows = []
    for found in (_random_weights(config, device), _shuffled_labels(config, device), _trained(config, device)):
        for row in found:
            say(f"{row['situation']}, {row['models']} model(s): {row['distinguishable']} of {row['runs']}")
            rows.append(row)
    return rows


def pooled(rows: Sequence[dict]) -> dict:
    """Return runs, distinguishable, rate, low and high over all situations in which there is nothing to find."""
    null = [row for row in rows if row["null"]]
    return _rate([p for row in null for p in row["p"]])


def _rate(ps: Sequence[float]) -> dict:
    count = sum(p < LEVEL for p in ps)
    interval = binomtest(count, len(ps)).proportion_ci()
    ends = {"low": float(interval.low), "high": float(interval.high)}
    return {"runs": len(ps), "distinguishable": count, "rate": count / len(ps), **ends}


def _row(situation: str, models: int, null: bool, ps: Sequence[float], **facts: object) -> dict:
    return {"situation": situation, "models": models, "null": null, **_rate(ps), "p": list(ps), **facts}


def _maps(model: RegionModel, sequences: Sequence[str]) -> Maps:
    shuffled = [dinucleotide_shuffle(sequence, 0, i) for i, sequence in enumerate(sequences)]
    return model.saturate(sequences), model.saturate(shuffled)


def _judged(config: SignalConfig, models: Sequence[Maps], nulls: Sequence[Maps]) -> float:
    real, shuffled = (np.stack(part) for part in zip(*models, strict=True))
    few = slice(config.null_regions)
    return signal(real, shuffled, {f"random_weights/{i}": (a[few], b[few]) for i, (a, b) in enumerate(nulls)})["p"]


def _with_head(file: str, device: torch.device) -> RegionModel:
    model = task_model(fresh(file, 0), TASK, np.array([-1.0, 1.0]), seed=0)
    return region_model("random", model.to(device).eval())


def _drawn(model: RegionModel, seed: int) -> RegionModel:
    return region_model(f"random{seed}", with_random_weights(model.model, seed))


def _random_weights(config: SignalConfig, device: torch.device) -> Iterator[dict]:
    """Judge each draw of a family's weights, and each two of them, beside others of the draws."""
    for number, file in enumerate(config.families):
        model, sequences = _with_head(file, device), regions(config.regions, config.length, 1.0, 10, number)
        every = [_maps(_drawn(model, 100 + draw), sequences) for draw in range(config.draws)]
        for size in (1, 2):
            ps = []
            for draw in range(config.draws):
                judged = [(draw + k) % config.draws for k in range(size)]
                others = [i for i in range(config.draws) if i not in judged]
                nulls = counter_rng(draw, size).permutation(others)[: config.null_models]
                ps.append(_judged(config, [every[i] for i in judged], [every[i] for i in nulls]))
            yield _row(f"random weights of {model.model.config.model_type}", size, True, ps)


def _shuffled_labels(config: SignalConfig, device: torch.device) -> Iterator[dict]:
    """Judge models that learned from shuffled labels, each on a set of regions of its own, singly and by two."""
    fits, ps, pairs, before = [], [], [], None
    for number in range(config.shuffled):
        data = examples_of(config.examples, config.length, max(config.strengths), 1000 + number, shuffled=True)
        model, r2 = fitted(fresh(config.model, number), TASK, data, config.train, number, device)
        fits.append(r2)
        sequences = regions(config.regions, config.length, 1.0, 20, number)
        nulls = [_maps(_drawn(model, 200 + k), sequences[: config.null_regions]) for k in range(config.null_models)]
        own = _maps(model, sequences)
        ps.append(_judged(config, [own], nulls))
        if before is not None:
            pairs.append(_judged(config, [own, _maps(before, sequences)], nulls))
        before = model
    if ps:
        yield _row("trained on shuffled labels", 1, True, ps, r2=fits)
    if pairs:
        yield _row("trained on shuffled labels", 2, True, pairs)


def _trained(config: SignalConfig, device: torch.device) -> Iterator[dict]:
    """Judge models of planted words: on regions of which a share hold them, and on shuffles of such regions."""
    models: dict[float, list[RegionModel]] = {}
    fits: dict[float, list[float]] = {}
    for strength in config.strengths:
        for seed in (1, 2):
            data = examples_of(config.examples, config.length, strength, seed)
            model, r2 = fitted(fresh(config.model, seed), TASK, data, config.train, seed, device)
            models.setdefault(strength, []).append(model)
            fits.setdefault(strength, []).append(r2)
    shape = models[config.strengths[0]][0]
    for kind, share in (("shuffled", 1.0), *(("share", share) for share in config.shares)):
        ps: dict[tuple[float, int], list[float]] = {}
        for number in range(config.sets):
            sequences = regions(config.regions, config.length, share, 30, round(1000 * share), number)
            if kind == "shuffled":
                sequences = [dinucleotide_shuffle(text, 1, number, i) for i, text in enumerate(sequences)]
            nulls = [_maps(_drawn(shape, 300 + k), sequences[: config.null_regions]) for k in range(config.null_models)]
            for strength, group in models.items():
                found = [_maps(model, sequences) for model in group]
                for size in (1, 2):
                    ps.setdefault((strength, size), []).append(_judged(config, found[:size], nulls))
        for (strength, size), values in ps.items():
            where = "shuffles of regions" if kind == "shuffled" else f"{share:.0%} of the regions hold words"
            words = f"words of {strength:g} deviations, {where}"
            yield _row(words, size, kind == "shuffled", values, r2=fits[strength])
