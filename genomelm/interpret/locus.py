"""Everything that the report says about one locus: attributions, and the checks on how far to trust them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import pearsonr

from genomelm.errors import InputError
from genomelm.interpret import faithfulness, gradients, ism, null
from genomelm.interpret.sites import Site, auprc, auroc, enrichment, mask, per_site
from genomelm.seq.alphabet import reverse_complement


@dataclasses.dataclass(frozen=True)
class LocusModel:
    """One trained model (one seed), as callables.

    predict_pairs: see `ism.PredictPairs`. gradient_of: x (l, 4) -> d score / d x (l, 4), boundaries frozen to the
    reference's. score_of: x (l, 4) -> score with the same boundaries (needed for the completeness of integrated
    gradients only). relative: scores exist against a reference only, which has 0 itself.
    """

    name: str
    predict_pairs: ism.PredictPairs
    gradient_of: gradients.GradientOf | None = None
    score_of: Callable[[np.ndarray], float] | None = None
    relative: bool = False


@dataclasses.dataclass(frozen=True)
class LocusSettings:
    """How much work the checks may take."""

    batch_size: int = 128
    integration_steps: int = 256
    brute_force_every: int = 5
    faithfulness_seeds: int = 20
    faithfulness_points: int = 16
    shuffles: int = 100
    seed: int = 0
    two_stranded: bool = False


def ensemble(models: Sequence[LocusModel]) -> ism.PredictPairs:
    """Return the mean over models as one predictor; its ISM is the mean of the models' ISM."""

    def predict_pairs(reference: str, alternates: list[str]) -> tuple[float, np.ndarray]:
        parts = [model.predict_pairs(reference, alternates) for model in models]
        return float(np.mean([score for score, _ in parts])), np.mean([np.asarray(s) for _, s in parts], axis=0)

    return predict_pairs


def explain(
    sequence: str,
    models: Sequence[LocusModel],
    sites: Sequence[Site] = (),
    *,
    controls: Mapping[str, Sequence[ism.PredictPairs]] | None = None,
    settings: LocusSettings | None = None,
) -> tuple[dict[str, np.ndarray], dict]:
    """Attribute one locus with every model and run the checks of the report.

    Args:
        sequence: (l,) DNA letters along the locus's strand.
        models: one or more seeds of one task.
        sites: known elements; none leaves the known-site check out.
        controls: name -> predictors of models that must not show the pattern: random_weights, shuffled_labels.
            Several draws of one control are judged by their median |Spearman|: over 75 bases a single
            unrelated one scatters by 0.12.

    Returns:
        (arrays, summary): arrays one_hot, ism, gradient_x_input, integrated_gradients (1, l, 4) and ism_models
        (n, 1, l, 4), gradients only where a model has them; summary is plain JSON (keys in `report.inputs`), a check
        that could not run is None.
    """
    if not models:
        raise InputError("no model was given; name at least one fine-tuned model")
    settings = settings or LocusSettings()
    sequence = sequence.upper()
    one_hot = ism.one_hot(sequence)
    maps = np.stack([ism.saturation(m.predict_pairs, sequence, batch_size=settings.batch_size) for m in models])
    mean_map = maps.mean(axis=0)
    importance = ism.importance(mean_map)
    predict = ensemble(models)
    gap, compared = ism.largest_gap(models[0].predict_pairs, sequence, maps[0], every=settings.brute_force_every)
    arrays = {"one_hot": one_hot[None], "ism": mean_map[None], "ism_models": maps[:, None]}
    reference_scores = [float(model.predict_pairs(sequence, [sequence])[0]) for model in models]
    summary = {
        "length": len(sequence),
        "models": [model.name for model in models],
        "reference_score": float(np.mean(reference_scores)),
        "reference_scores": reference_scores,
        "largest_effect": _largest(sequence, mean_map),
        "ism_brute_force": {"max_abs_difference": gap, "compared": compared},
        "gradient": _gradient(models, maps, one_hot, arrays),
        "integrated_gradients": _integrated(models, maps, one_hot, arrays, settings.integration_steps),
        "seeds": _between(maps),
        "controls": {
            name: _control(importance, [ism.importance(_map(other, sequence, settings)) for other in others])
            for name, others in (controls or {}).items()
        },
        "reverse_complement": _reverse(predict, sequence, mean_map, settings) if settings.two_stranded else None,
        "faithfulness": faithfulness.curves(
            predict,
            sequence,
            ism.support(mean_map),
            seeds=settings.faithfulness_seeds,
            points=settings.faithfulness_points,
            seed=settings.seed,
        ),
        "sites": _sites(sites, importance) if sites else None,
        "shuffled": None if any(m.relative for m in models) else _shuffled(predict, sequence, settings),
    }
    return arrays, summary


def _map(predict_pairs: ism.PredictPairs, sequence: str, settings: LocusSettings) -> np.ndarray:
    return ism.saturation(predict_pairs, sequence, batch_size=settings.batch_size)


def _control(importance: np.ndarray, others: Sequence[np.ndarray]) -> dict:
    found = (gradients.correlation(importance, other) for other in others)
    draws = [float(draw) for draw in found if draw is not None]  # a flat track correlates with nothing
    return {"spearman": float(np.median(np.abs(draws))) if draws else None, "draws": draws}


def _largest(sequence: str, effects: np.ndarray) -> dict:
    row, column = np.unravel_index(int(np.abs(effects).argmax()), effects.shape)
    change = f"{sequence[row]}>{ism.letters_of('dna')[column]}"
    return {"offset": int(row), "change": change, "effect": float(effects[row, column])}


def _gradient(models: Sequence[LocusModel], maps: np.ndarray, one_hot: np.ndarray, arrays: dict) -> dict | None:
    if any(model.gradient_of is None for model in models):
        return None
    tracks = [gradients.input_x_gradient(model.gradient_of, one_hot) for model in models]
    arrays["gradient_x_input"] = np.mean(tracks, axis=0)[None]
    return _median([gradients.agreement(effects, track) for effects, track in zip(maps, tracks, strict=True)])


def _integrated(
    models: Sequence[LocusModel], maps: np.ndarray, one_hot: np.ndarray, arrays: dict, steps: int
) -> dict | None:
    if any(model.gradient_of is None or model.score_of is None for model in models):
        return None
    tracks, errors = [], []
    for model in models:
        track, baseline = gradients.integrated(model.gradient_of, one_hot, steps)
        errors.append(gradients.completeness_error(track, model.score_of(one_hot), model.score_of(baseline)))
        tracks.append(track)
    arrays["integrated_gradients"] = np.mean(tracks, axis=0)[None]
    # A base's share is the sum over the letters: it leaves the baseline along all of them.
    found = _median([gradients.agreement(effects, t) for effects, t in zip(maps, tracks, strict=True)])
    return {**found, "completeness_error": max(errors), "steps": steps}


def _median(agreements: list[dict]) -> dict:
    """Return the median over models of each agreement; None when a model has none."""
    return {
        key: None if any(a[key] is None for a in agreements) else float(np.median([a[key] for a in agreements]))
        for key in agreements[0]
    }


def _between(maps: np.ndarray) -> dict | None:
    """Correlate signed support between every two models, from (n, l, 4)."""
    tracks = [ism.support(effects) for effects in maps]
    pairs = [gradients.correlation(tracks[i], tracks[j], pearsonr) for i in range(len(tracks)) for j in range(i)]
    if not pairs:
        return None
    found = [0.0 if pair is None else pair for pair in pairs]  # a flat track agrees with nothing
    return {"models": len(tracks), "mean_pearson": float(np.mean(found)), "lowest_pearson": min(found)}


def _reverse(predict: ism.PredictPairs, sequence: str, effects: np.ndarray, settings: LocusSettings) -> dict:
    """Attribute the reverse complement; ACGT reversed is TGCA, so both axes flip."""
    flipped = _map(predict, reverse_complement(sequence), settings)[::-1, ::-1]
    return {"pearson": gradients.correlation(ism.support(effects), ism.support(flipped), pearsonr)}


def _sites(sites: Sequence[Site], importance: np.ndarray) -> dict | None:
    inside = mask(sites, len(importance))
    if inside.all() or not inside.any() or importance.sum() <= 0:
        return None
    return {
        "enrichment": enrichment([(importance, inside)]),
        "auroc": auroc(importance, inside),
        "auprc": auprc(importance, inside),
        "share_inside": float(inside.mean()),
        "elements": per_site(sites, importance),
    }


def _shuffled(predict: ism.PredictPairs, sequence: str, settings: LocusSettings) -> dict | None:
    if settings.shuffles < 1:
        return None
    drawn = [null.dinucleotide_shuffle(sequence, settings.seed, index) for index in range(settings.shuffles)]
    scores = np.array([float(predict(shuffle, [shuffle])[0]) for shuffle in drawn])
    reference = float(predict(sequence, [sequence])[0])
    return {
        "n": len(scores),
        "mean": float(scores.mean()),
        "low": float(np.quantile(scores, 0.025)),
        "high": float(np.quantile(scores, 0.975)),
        "reference_percentile": 100.0 * float(np.mean(scores < reference)),
        "scores": scores.tolist(),
    }
