"""What a model gives for sequences by themselves: likelihoods of their bases, or a task head's outputs."""

from collections.abc import Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.models.published import PublishedModel
from genomelm.patching.pair import difference
from genomelm.scoring.alleles import Window, WindowPair, lifted, read_alone
from genomelm.scoring.effects import strand_average
from genomelm.scoring.forward import byte_log_probabilities, head_outputs, pair_outputs, read_windows, token_outputs
from genomelm.scoring.masked import pseudo_likelihoods
from genomelm.scoring.strands import published_both, reads_both
from genomelm.seq.alphabet import encode, reverse_complement


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


def both_strands(model: GenomeModel | PublishedModel, strands: str) -> bool:
    """Return whether sequences are read twice: where asked for, or by default where a task's labels hold for both."""
    model.for_task(None)
    if isinstance(model, PublishedModel):
        return published_both(model, strands, by_default=False)
    return reads_both(model, strands, not model.is_language_model and model.config.head["two_strands"])


def log_likelihoods(
    model: GenomeModel | PublishedModel, sequences: Sequence[str], strands: str = "model"
) -> np.ndarray:
    """Return log p(sequence) in nats, float64 (n,): the sum of `base_log_probabilities`.

    Args:
        strands: "both" gives the mean of both readings, "model" and "forward" the one that is written.
    """
    readings = [sequences]
    if both_strands(model, strands):
        readings.append([reverse_complement(sequence) for sequence in sequences])
    if isinstance(model, PublishedModel):
        return np.mean([model.log_likelihoods(list(map(model.cut, reading))) for reading in readings], 0)
    windows = [[read_alone(model, sequence) for sequence in reading] for reading in readings]
    sums = [[values.sum() for values in base_log_probabilities(model, reading)] for reading in windows]
    return np.array(sums, np.float64).mean(0)


def task_outputs(model: GenomeModel, sequences: Sequence[str], strands: str = "model") -> list[np.ndarray]:
    """Return a task head's outputs, float64 (n,) a sequence: the labels' unit for numbers, logits for classes.

    A head that labels bases gives (l, n). A variant-effect head compares each sequence with its task's reference, both
    in the reference's patches.

    Args:
        strands: "both" gives the mean of both readings, "forward" the one that is written, "model" the first where
            the task's labels hold for both strands.

    Raises:
        UsageError: a language model, or a variant-effect head whose task has no reference.
    """
    model.for_task(None)
    if model.is_language_model:
        raise UsageError("this is a language model, without a task head; use log_likelihood, or fine-tune it")
    if model.head_kind == "variant_effect" and not model.config.head["reference"]:
        raise UsageError(
            "the model compares two alleles, and its task has no reference to compare a sequence with: use "
            "`genomelm score` (or score_variants, saturate, attribute)"
        )
    both = both_strands(model, strands)
    found = _one_strand(model, sequences, turned=False)
    if not both:
        return found
    other = _one_strand(model, sequences, turned=True)
    if model.gives_bases:
        other = [values[::-1] for values in other]
    return [strand_average(*readings) for readings in zip(found, other, strict=True)]


def _one_strand(model: GenomeModel, sequences: Sequence[str], turned: bool) -> list[np.ndarray]:
    """Return the head's outputs for sequences as they are written, or `turned`, as the other strand reads them."""
    if model.head_kind == "variant_effect":
        return read_windows(model, [_against_reference(model, s, turned) for s in sequences], pair_outputs)
    windows = [read_alone(model, reverse_complement(s) if turned else s, turned=turned) for s in sequences]
    return read_windows(model, windows, token_outputs if model.gives_bases else head_outputs)


def _against_reference(model: GenomeModel, sequence: str, turned: bool) -> WindowPair:
    reference = model.config.head["reference"]
    offset, ref_length, alt_length = difference(*(encode(s, model.alphabet) for s in (reference, sequence)))
    if turned:
        reference, sequence = reverse_complement(reference), reverse_complement(sequence)
        offset = len(reference) - offset - ref_length
    ref = read_alone(model, reference, turned=turned)
    return WindowPair(ref, lifted(ref, sequence, offset, ref_length, alt_length, model.alphabet))
