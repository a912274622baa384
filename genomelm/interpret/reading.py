"""A sequence as a model reads it for attribution, and the scores of others that are read in its patches."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from genomelm.interpret.target import Target
from genomelm.models.model import GenomeModel
from genomelm.scoring.alleles import Window, WindowPair, other_strand, read_alone, read_pair
from genomelm.scoring.forward import byte_log_probabilities, head_outputs, pair_outputs, read_windows
from genomelm.scoring.masked import hidden_log_probabilities, hidden_ratio, pseudo_likelihoods
from genomelm.scoring.scorer import scorer_for
from genomelm.seq.alphabet import ALPHABETS, encode, reverse_complement
from genomelm.seq.interval import Interval
from genomelm.seq.window import AllelePair


@dataclasses.dataclass(frozen=True)
class Reading:
    """One sequence, cut into patches.

    Attributes:
        sequence: (l,) letters, upper case.
        windows: as it is written; and its reverse complement for heads whose labels hold for both strands.
    """

    sequence: str
    windows: tuple[Window, ...]


def reading_of(model: GenomeModel, sequence: str) -> Reading:
    """Cut a sequence into patches of its own."""
    windows = [read_alone(model, sequence)]
    if model.config.head["two_strands"]:
        windows.append(read_alone(model, reverse_complement(sequence), turned=True))
    return Reading(sequence, tuple(windows))


def readings_of_pair(model: GenomeModel, pair: AllelePair) -> tuple[Reading, Reading]:
    """Return the reference and the alternative of a variant, the latter in the reference's patches."""
    strands = [pair, other_strand(pair)] if model.config.head["two_strands"] else [pair]
    references, alternatives = zip(*(read_pair(model, strand) for strand in strands), strict=True)
    return Reading(pair.ref, references), Reading(pair.alt, alternatives)


def alternates_of(model: GenomeModel, reading: Reading, alternates: Sequence[str]) -> list[list[Window]]:
    """Return alternates of the reading's length in its patches: for each of its windows, one an alternate."""
    found = []
    for strand, window in enumerate(reading.windows):
        written = map(reverse_complement, alternates) if strand else alternates
        found.append([dataclasses.replace(window, ids=encode(text, model.alphabet)) for text in written])
    return found


def scores(model: GenomeModel, target: Target, windows: Sequence[Window]) -> np.ndarray:
    """Return one number a window, float64 (n,), against the first of them where the score is relative.

    A task head's output, or a causal model's log-likelihood in nats. A masked model gives the first window its
    pseudo-likelihood, and the others the same plus the log-likelihood ratio where all bases that differ are hidden:
    each pseudo-likelihood would cost seven passes. A variant-effect model gives the first 0, the others their effect.
    """
    if model.head_kind == "causal_lm":
        return np.array([values.sum() for values in read_windows(model, windows, byte_log_probabilities)])
    if model.head_kind == "masked_lm":
        return _hidden_scores(model, windows)
    if model.head_kind == "variant_effect":
        found = read_windows(model, [WindowPair(windows[0], window) for window in windows], pair_outputs)
        return target.values(found)
    return target.values(read_windows(model, windows, head_outputs))


def scores_alone(model: GenomeModel, target: Target, sequences: Sequence[str]) -> np.ndarray:
    """Return the score of each sequence in patches of its own, float64 (n,): a task head's output, or nats.

    Args:
        model: any but one for variant effects, which has no score of one sequence.
    """
    readings = [reading_of(model, sequence) for sequence in sequences]
    strands = []
    for windows in zip(*(reading.windows for reading in readings), strict=True):
        if model.head_kind == "masked_lm":
            strands.append(np.array([values.sum() for values in pseudo_likelihoods(model, windows)]))
        else:
            strands.append(scores(model, target, windows))
    return np.mean(strands, 0) if strands else np.zeros(0)


def _hidden_scores(model: GenomeModel, windows: Sequence[Window]) -> np.ndarray:
    letters, ref = ALPHABETS[model.alphabet].ids, windows[0]
    own = pseudo_likelihoods(model, [ref])[0].sum()
    sites = [ref.ids != other.ids for other in windows]
    found = read_windows(model, [ref.hidden(site) for site in sites], hidden_log_probabilities)
    ratios = [
        hidden_ratio(values, ref.ids[site], values, other.ids[site], letters)
        for values, site, other in zip(found, sites, windows, strict=True)
    ]
    return own + np.array(ratios)


def pair_effects(model: GenomeModel, target: Target, pairs: Sequence[AllelePair]) -> np.ndarray:
    """Return the score of each alternative minus that of its reference, float64 (n,); alleles of any lengths.

    A language model compares equally many bases of both, as `genomelm score` does in a fixed window.
    """
    if not pairs:
        return np.zeros(0)
    if model.is_language_model:
        scorer = scorer_for(model, window=Interval("", 0, len(pairs[0].ref)), strands="forward")
        return np.array(scorer.strand_scores(pairs), np.float64)
    sides = [readings_of_pair(model, pair) for pair in pairs]
    strands = []
    for strand in range(len(sides[0][0].windows)):
        windows = [(ref.windows[strand], alt.windows[strand]) for ref, alt in sides]
        if model.head_kind == "variant_effect":
            found = read_windows(model, [WindowPair(*both) for both in windows], pair_outputs)
            strands.append(target.values(found))
        else:
            outputs = read_windows(model, [window for both in windows for window in both], head_outputs)
            values = target.values(outputs)
            strands.append(values[1::2] - values[0::2])
    return np.mean(strands, 0)
