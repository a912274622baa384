"""A loaded model as the callables that the attribution of one locus asks for."""

import numpy as np

from genomelm.interpret.ism import PredictPairs
from genomelm.interpret.locus import LocusModel
from genomelm.interpret.reading import alternates_of, reading_of, scores
from genomelm.interpret.soft_score import SoftScore, why_no_gradients
from genomelm.interpret.target import Target, choose_target
from genomelm.models.model import GenomeModel
from genomelm.runtime import seeded


def pair_predictor(model: GenomeModel, target: Target | None = None) -> PredictPairs:
    """Return a predictor that reads each alternate in its reference's patches, by a pass over each.

    Scores are those of `reading.scores`; a head whose labels hold for both strands gives the mean of both readings.

    Args:
        target: the output; None: the only one, or the second of two classes.

    Raises:
        UsageError: the head gives a sequence no single score.
    """
    chosen = choose_target(model) if target is None else target

    def predict_pairs(reference: str, alternates: list[str]) -> tuple[float, np.ndarray]:
        reading = reading_of(model, reference)
        strands = zip(reading.windows, alternates_of(model, reading, alternates), strict=True)
        found = np.mean([scores(model, chosen, [window, *others]) for window, others in strands], 0)
        return float(found[0]), found[1:]

    return predict_pairs


def locus_model(name: str, model: GenomeModel, sequence: str, target: Target | None = None) -> LocusModel:
    """Return a model's callables for one locus, its boundaries frozen to those of `sequence`."""
    chosen = choose_target(model) if target is None else target
    relative = model.head_kind == "variant_effect"
    if why_no_gradients(model):
        return LocusModel(name, pair_predictor(model, chosen), relative=relative)
    soft = SoftScore(model, chosen, reading_of(model, sequence))
    return LocusModel(
        name, pair_predictor(model, chosen), soft.gradient, lambda x: float(soft.scores(x[None])[0]), relative
    )


def with_random_weights(model: GenomeModel, seed: int = 0) -> GenomeModel:
    """Return a freshly initialised model of the same config and patcher; torch's global state stays as it is."""
    with seeded("random_weights", seed):
        return type(model)(model.config, model.patcher).to(model.device).eval()
