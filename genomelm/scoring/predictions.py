"""What a model gives for sequences by themselves: likelihoods of their bases, or a task head's outputs."""

from collections.abc import Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.scoring.alleles import Window, WindowPair, read_alone
from genomelm.scoring.forward import byte_log_probabilities, head_outputs, pair_outputs, read_windows, token_outputs
from genomelm.scoring.masked import pseudo_likelihoods


def base_log_probabilities(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return each base's log-probability in nats, float64 (l,) a window; 0 at N.

    Causal models: given the bases before it. Masked models: given the bases on both sides that are not hidden with it.

    Raises:
        UsageError: the model is no language model.
    """
    if not model.is_language_model:
        raise UsageError(f"this needs a language model; the model's head is {model.head_kind}")
    if model.objective == "masked":
        return pseudo_likelihoods(model, windows)
    return read_windows(model, windows, byte_log_probabilities)


def task_outputs(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
    """Return a task head's outputs, float64 (n,) a window: the labels' unit for numbers, logits for classes.

    A head that labels bases gives (l, n). A variant-effect head compares each window with its task's reference.

    Raises:
        UsageError: a language model, or a variant-effect head whose task has no reference.
    """
    if model.is_language_model:
        raise UsageError("this is a language model, without a task head; use log_likelihood, or fine-tune it")
    if model.head_kind == "token_classification":
        return read_windows(model, windows, token_outputs)
    if model.head_kind != "variant_effect":
        return read_windows(model, windows, head_outputs)
    if not model.config.head["reference"]:
        raise UsageError(
            "the model compares two alleles, and its task has no reference to compare a sequence with: use "
            "`genomelm score` (or score_variants, saturate, attribute)"
        )
    reference = read_alone(model, model.config.head["reference"])
    return read_windows(model, [WindowPair(reference, window) for window in windows], pair_outputs)
