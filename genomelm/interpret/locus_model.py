"""A loaded model as the callables that attribution asks for."""

from collections.abc import Callable

import numpy as np
import torch

from genomelm.interpret.ism import PredictPairs
from genomelm.interpret.locus import LocusModel
from genomelm.models.encoding import Batch
from genomelm.models.model import GenomeModel
from genomelm.models.soft import letters_of
from genomelm.runtime import exact_float32, seeded
from genomelm.scoring.alleles import Window, WindowPair, lifted, read_alone
from genomelm.scoring.forward import batch_of, check_single, pair_outputs, read_windows, sequence_scores, single
from genomelm.scoring.masked import hidden_log_probabilities, hidden_ratio, pseudo_likelihoods
from genomelm.seq.alphabet import ALPHABETS, reverse_complement


def pair_predictor(model: GenomeModel) -> PredictPairs:
    """Return a predictor that reads each alternate in its reference's patches.

    The score is a task head's output, or a causal model's log-likelihood in nats. A masked model's is its
    pseudo-likelihood for the reference; an alternate adds the log-likelihood ratio where all bases that differ are
    hidden, the same number that `genomelm score` gives a substitution: each pseudo-likelihood would cost seven passes.
    A variant-effect model gives the reference 0 and an alternate its effect.

    Raises:
        UsageError: the head gives a sequence no single score.
    """
    check_single(model)
    of_strand = {"masked_lm": _masked_scores, "variant_effect": _effects}.get(model.head_kind)
    readings = (str, reverse_complement) if model.config.head["two_strands"] else (str,)

    def predict_pairs(reference: str, alternates: list[str]) -> tuple[float, np.ndarray]:
        strands = []
        for read in readings:
            ref = read_alone(model, read(reference))
            length = len(reference)
            others = [lifted(ref, read(alternate), 0, length, length, model.alphabet) for alternate in alternates]
            strands.append([ref, *others])
        if of_strand is None:
            scores = sequence_scores(model, *strands)
        else:
            scores = np.mean([of_strand(model, *windows) for windows in strands], 0)
        return float(scores[0]), scores[1:]

    return predict_pairs


def _masked_scores(model: GenomeModel, ref: Window, *others: Window) -> np.ndarray:
    """Return the reference's pseudo-likelihood, and the same plus each alternate's ratio: float64 (1 + n,), nats."""
    letters = ALPHABETS[model.alphabet].ids
    own = pseudo_likelihoods(model, [ref])[0].sum()
    sites = [ref.ids != other.ids for other in others]
    found = read_windows(model, [ref.hidden(site) for site in sites], hidden_log_probabilities)
    ratios = [
        hidden_ratio(values, ref.ids[site], values, other.ids[site], letters)
        for values, site, other in zip(found, sites, others, strict=True)
    ]
    return own + np.array([0.0, *ratios])


def _effects(model: GenomeModel, ref: Window, *others: Window) -> np.ndarray:
    """Return 0 for the reference and the effect of each alternate: float64 (1 + n,), labels' unit."""
    found = read_windows(model, [WindowPair(ref, other) for other in others], pair_outputs)
    return np.array([0.0, *map(single, found)])


def locus_model(name: str, model: GenomeModel, sequence: str) -> LocusModel:
    """Return a model's callables for one locus, its boundaries frozen to those of `sequence`.

    A language model has no gradients here: its score reads the letters themselves as targets. Nor has a
    variant-effect model: it looks where the letters of two sequences differ, and a mixture of letters differs nowhere.
    """
    if model.is_language_model:
        return LocusModel(name, pair_predictor(model))
    if model.head_kind == "variant_effect":
        return LocusModel(name, pair_predictor(model), relative=True)
    score = _soft_score(model, sequence)

    def gradient_of(x: np.ndarray) -> np.ndarray:
        given = torch.tensor(x, dtype=torch.float32, device=model.device, requires_grad=True)
        with torch.enable_grad(), exact_float32():
            return torch.autograd.grad(score(given), given)[0].cpu().numpy()

    def score_of(x: np.ndarray) -> float:
        with torch.no_grad(), exact_float32():
            return float(score(torch.tensor(x, dtype=torch.float32, device=model.device)))

    return LocusModel(name, pair_predictor(model), gradient_of, score_of)


def _soft_score(model: GenomeModel, sequence: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return x (l, 4) -> the head's output for the mixture, a scalar."""
    both = model.config.head["two_strands"]
    readings = [sequence, reverse_complement(sequence)] if both else [sequence]
    batches = [batch_of(model, [read_alone(model, reading)]) for reading in readings]

    def score(x: torch.Tensor) -> torch.Tensor:
        # Columns ACGT backwards are TGCA: flipping both axes is the reverse complement of a mixture.
        mixtures = (x, x.flip(0, 1))
        return torch.stack([one_strand(*reading) for reading in zip(batches, mixtures, strict=False)]).mean()

    def one_strand(batch: Batch, x: torch.Tensor) -> torch.Tensor:
        output = model(**batch.inputs(), letters=letters_of(x)).logits[0]
        return output[-1] - output[0] if len(output) > 1 else output[0]

    return score


def with_random_weights(model: GenomeModel, seed: int = 0) -> GenomeModel:
    """Return a freshly initialised model of the same config and patcher; torch's global state stays as it is."""
    with seeded("random_weights", seed):
        return type(model)(model.config, model.patcher).to(model.device).eval()
