"""How far attributions of many regions may be trusted: strand, seeds, null models, null sequences, faithfulness."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import pearsonr, spearmanr, wilcoxon

from genomelm.interpret import faithfulness, null
from genomelm.interpret.distinguishable import signal
from genomelm.interpret.gradients import correlation
from genomelm.interpret.ism import PredictPairs, importance, support
from genomelm.interpret.locus import ensemble
from genomelm.interpret.regions import apart
from genomelm.seq.alphabet import reverse_complement

if TYPE_CHECKING:
    from genomelm.interpret.region_model import RegionModel
    from genomelm.interpret.regions import Regions

Keep = Callable[[str, Callable[[], np.ndarray]], np.ndarray]
LEAST_PAIRS = 7
"""Regions with which a signed-rank test can give p under 0.01."""


@dataclasses.dataclass(frozen=True)
class TrustSettings:
    """How much work the checks may take.

    Attributes:
        regions: most regions that the other strand, the shuffles and the curves are run on; drawn by the seed.
        null_regions: most of these that null models are run on.
        shuffles: dinucleotide shuffles a region that are scored; 0 leaves out what needs them.
        points: readings of a deletion or insertion curve.
        orders: random and GC-matched orders a region that the attribution's order is held against.
        two_stranded: the other strand must give the flipped map, though the models do not promise it.
        seed: of every draw.
    """

    regions: int = 32
    null_regions: int = 12
    shuffles: int = 10
    points: int = 16
    orders: int = 2
    two_stranded: bool = False
    seed: int = 0


def checks(
    regions: "Regions",
    arrays: Mapping[str, np.ndarray],
    models: "Sequence[RegionModel]",
    *,
    controls: "Mapping[str, Sequence[RegionModel]]",
    settings: TrustSettings,
    keep: Keep,
    say: Callable[[str], None],
) -> dict[str, dict]:
    """Run the checks over regions that stand `regions.apart`. What could not run is {"reason": "not run: ..."}.

    Args:
        arrays: one_hot, ism (N, l, 4), ism_models (S, N, l, 4), the effects in the unit of the score.
        controls: name -> models that must not show the pattern; "random_weights" has several draws.
        keep: keep(name, make) returns make()'s array, or the one that an earlier run stored.

    Returns:
        Entries strand {median_pearson, lowest_pearson, equivariant, n}, seeds {models, median_correlation,
        lowest_correlation, pairs}, random_weights and each control by its name {median_spearman, draws, n}, deletion
        and insertion (`faithfulness.pooled`), shuffled_sequence {real_mean, shuffled_mean, p, n, real, shuffled}, and
        signal (`distinguishable.signal`, which says what it can and cannot tell; with regions_left_out, how many share
        bases with those that count).
    """
    counted = np.array(apart(regions.rows, regions.sequences))
    left_out = {"regions_left_out": len(regions) - len(counted)}
    places = counted[_drawn(len(counted), settings)]
    sequences = [regions.sequences[i] for i in places]
    real = np.asarray(arrays["ism_models"])[:, places]
    mean = real.mean(0)
    predict = ensemble(models)
    others = {f"{name}/{draw}": model for name, group in controls.items() for draw, model in enumerate(group)}
    found = {
        "strand": _strand(models, sequences, mean, settings, keep),
        "seeds": seeds(np.asarray(arrays["ism_models"])[:, counted], [model.name for model in models]),
    }
    few, maps = sequences[: settings.null_regions], {}
    for name, model in others.items():
        say(f"null model {name}: {len(few)} regions")
        maps[name] = keep(f"trust/{name}", lambda model=model: model.saturate(few))
    for name in controls:
        found[name] = control(mean[: len(few)], [kept for key, kept in maps.items() if key.rpartition("/")[0] == name])
    say(f"deletion and insertion curves of {len(places)} regions")
    found |= _curves(predict, sequences, mean, settings, keep)
    if settings.shuffles < 1:
        reason = {"reason": "not run: no shuffles were asked for"}
        return found | {"shuffled_sequence": reason, "signal": {**reason, **left_out}}
    found["shuffled_sequence"] = _shuffled_scores(models, predict, sequences, settings, keep)
    orders = [null.dinucleotide_shuffle(sequence, settings.seed, i) for i, sequence in enumerate(sequences)]
    say(f"shuffles of {len(places)} regions by {len(models) + len(others)} models")
    shuffled = keep("trust/shuffled", lambda: np.stack([model.saturate(orders) for model in models]))
    nulls = {
        name: (maps[name], keep(f"trust/shuffled/{name}", lambda model=model: model.saturate(orders[: len(few)])))
        for name, model in others.items()
    }
    found["signal"] = {**signal(real, shuffled, nulls), **left_out}
    return found


def _drawn(count: int, settings: TrustSettings) -> np.ndarray:
    """Return which of `count` regions the costly checks read, in random order."""
    return null.counter_rng(settings.seed, count).permutation(count)[: settings.regions]


def _strand(
    models: "Sequence[RegionModel]", sequences: list[str], mean: np.ndarray, settings: TrustSettings, keep: Keep
) -> dict:
    """Attribute the reverse complement; ACGT reversed is TGCA, so both axes flip."""
    equivariant = all(model.strand_symmetric for model in models)
    if not (equivariant or settings.two_stranded):
        return {"reason": "not run: the models read one strand; --two-stranded asks that both agree"}
    others = [reverse_complement(sequence) for sequence in sequences]
    flipped = keep("trust/strand", lambda: np.mean([model.saturate(others) for model in models], axis=0))
    tracks = zip(support(mean), support(flipped[:, ::-1, ::-1]), strict=True)
    values = [correlation(first, second, pearsonr) or 0.0 for first, second in tracks]
    return {
        "median_pearson": float(np.median(values)),
        "lowest_pearson": min(values),
        "equivariant": equivariant,
        "n": len(values),
    }


def seeds(maps: np.ndarray, names: Sequence[str]) -> dict:
    """Correlate signed support between every two models, region by region, from (S, N, l, 4)."""
    if len(maps) < 2:
        return {"reason": "not run: one model; name two or more seeds"}
    tracks = support(maps)
    pairs = [
        {"first": names[i], "second": names[j], "median": _median(tracks[i], tracks[j], pearsonr)}
        for j in range(len(tracks))
        for i in range(j)
    ]
    medians = [pair["median"] for pair in pairs]
    return {
        "models": len(maps),
        "median_correlation": float(np.median(medians)),
        "lowest_correlation": min(medians),
        "pairs": pairs,
        "n": maps.shape[1],
    }


def _median(first: np.ndarray, second: np.ndarray, method: Callable) -> float:
    """Return the median correlation of the rows of (n, l) and (n, l); a flat row correlates with nothing: 0."""
    return float(np.median([correlation(a, b, method) or 0.0 for a, b in zip(first, second, strict=True)]))


def control(mean: np.ndarray, draws: Sequence[np.ndarray]) -> dict:
    """Correlate importance (Spearman) with that of models that must not show it, from (n, l, 4) each.

    Returns:
        {"median_spearman": median over draws of |median over regions|, "draws": the medians over regions, "n"}
    """
    medians = [_median(importance(mean), importance(draw), spearmanr) for draw in draws]
    return {"median_spearman": float(np.median(np.abs(medians))), "draws": medians, "n": len(mean)}


def _curves(
    predict: PredictPairs, sequences: list[str], mean: np.ndarray, settings: TrustSettings, keep: Keep
) -> dict[str, dict]:
    if len(sequences) < LEAST_PAIRS:
        reason = {"reason": f"not run: {len(sequences)} regions cannot give p under 0.01; {LEAST_PAIRS} are needed"}
        return {"deletion": reason, "insertion": reason}
    more = {"points": settings.points, "orders": settings.orders, "seed": settings.seed}
    scores = keep("trust/curves", lambda: faithfulness.over_regions(predict, sequences, support(mean), **more))
    counts = faithfulness.step_counts(len(sequences[0]), settings.points)
    return faithfulness.pooled(scores, counts, settings.orders)


def _shuffled_scores(
    models: "Sequence[RegionModel]",
    predict: PredictPairs,
    sequences: list[str],
    settings: TrustSettings,
    keep: Keep,
) -> dict:
    """Score regions and their dinucleotide shuffles, each cut into patches of its own; paired, two-sided."""
    if any(model.relative for model in models):
        return {"reason": "not run: scores exist against a reference only"}

    def scored() -> np.ndarray:
        rows = []
        for i, sequence in enumerate(sequences):
            drawn = [null.dinucleotide_shuffle(sequence, settings.seed, i, k) for k in range(settings.shuffles)]
            rows.append([float(predict(one, [one])[0]) for one in (sequence, *drawn)])
        return np.array(rows)

    scores = keep("trust/shuffled_scores", scored)  # (n, 1 + shuffles)
    real, shuffled = scores[:, 0], scores[:, 1:]
    differences = real - shuffled.mean(1)
    return {
        "real_mean": float(real.mean()),
        "shuffled_mean": float(shuffled.mean()),
        "p": float(wilcoxon(differences).pvalue) if np.any(differences != 0) else 1.0,
        "n": len(real),
        "real": real.tolist(),
        "shuffled": shuffled.ravel().tolist(),
    }
