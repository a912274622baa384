"""A loaded model as what attribution asks of it."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from genomelm.interpret.ism import PredictPairs
from genomelm.interpret.locus_model import pair_predictor
from genomelm.interpret.mutants import saturated
from genomelm.interpret.reading import reading_of, scores_alone
from genomelm.interpret.soft_score import SoftScore, why_no_gradients
from genomelm.interpret.target import Target, choose_target, unit_of
from genomelm.models.model import GenomeModel


@dataclasses.dataclass(frozen=True)
class RegionModel:
    """One trained model (one seed) and the output of it that is explained.

    Attributes:
        name: of the model in every file.
        predict_pairs: scores alternates in their reference's patches, by plain passes.
        saturate: sequences of one length -> float64 (N, l, 4), the ISM of each, with what mutants share read once.
        score_alone: sequences of any lengths -> float64 (n,), each in patches of its own; None where `relative`.
        relative: scores exist against a reference only, which has 0 itself.
        strand_symmetric: the reverse complement gives the flipped map by construction.
        soft: a sequence -> its score for mixtures of letters; None where `no_gradients` says why.
    """

    name: str
    model: GenomeModel
    target: Target
    predict_pairs: PredictPairs
    saturate: Callable[[Sequence[str]], np.ndarray]
    score_alone: Callable[[Sequence[str]], np.ndarray] | None
    relative: bool
    strand_symmetric: bool
    soft: Callable[[str], SoftScore] | None
    no_gradients: str

    @property
    def unit(self) -> str:
        """Unit of the scores."""
        return unit_of(self.model, self.target)


def region_model(name: str, model: GenomeModel, output: str | None = None) -> RegionModel:
    """Return a model's callables.

    Args:
        model: in eval mode, with its patcher, of one task.
        output: name or number of one of several outputs; None: the only one, or the second of two classes.

    Raises:
        UsageError: no such output, or a head that gives a sequence no single score.
    """
    target, reason = choose_target(model, output), why_no_gradients(model)
    relative = model.head_kind == "variant_effect"

    def saturate(sequences: Sequence[str]) -> np.ndarray:
        return np.stack(saturated(model, target, [reading_of(model, sequence) for sequence in sequences]))

    return RegionModel(
        name=name,
        model=model,
        target=target,
        predict_pairs=pair_predictor(model, target),
        saturate=saturate,
        score_alone=None if relative else lambda sequences: scores_alone(model, target, sequences),
        relative=relative,
        strand_symmetric=model.is_conjoined or model.config.head["two_strands"],
        soft=None if reason else lambda sequence: SoftScore(model, target, reading_of(model, sequence)),
        no_gradients=reason,
    )
