"""What does a motif do by itself? Its consensus is put into neutral sequences, and the score is compared.

Neutral are dinucleotide shuffles of the regions. Beside each insert stands a control: the consensus with its letters in
another order, at the same place.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student
from scipy.stats import wilcoxon

from genomelm.interpret.null import counter_rng, dinucleotide_shuffle
from genomelm.interpret.pwm import consensus
from genomelm.seq.alphabet import reverse_complement


class Marginal(NamedTuple):
    """The effect of one motif on one strand.

    Attributes:
        motif: name. strand: + or -. inserted: the letters. effect: mean of score(with) - score(without), unit of the
            score. low, high: its 95 % interval (Student). control: mean of the same for permuted letters.
        p: Wilcoxon signed-rank of effect against control, paired, two-sided. n: neutral sequences.
    """

    motif: str
    strand: str
    inserted: str
    effect: float
    low: float
    high: float
    control: float
    p: float
    n: int


def effects(
    motifs: Mapping[str, np.ndarray],
    sequences: Sequence[str],
    predict: Callable[[list[str]], np.ndarray],
    *,
    neutral: int = 32,
    seed: int = 0,
) -> list[Marginal]:
    """Insert each motif (PPM (w, 4)) in the middle of `neutral` shuffled sequences, on both strands.

    Args:
        sequences: of the regions, (l,) each; taken in turn. predict: n sequences -> scores (n,), each read alone.
    """
    if not motifs:
        return []
    inserts = [
        (name, strand, read(consensus(ppm)))
        for name, ppm in motifs.items()
        for strand, read in (("+", str), ("-", reverse_complement))
        if len(ppm) <= len(sequences[0])
    ]
    changes = np.zeros((neutral, len(inserts), 2))
    for i in range(neutral):
        sequence = dinucleotide_shuffle(sequences[i % len(sequences)].upper(), seed, i)
        rng = counter_rng(seed, 0x3A6, i)
        texts = [text for _, _, whole in inserts for text in (whole, "".join(rng.permutation(list(whole))))]
        scores = np.asarray(predict([sequence, *(_put(sequence, text) for text in texts)]), dtype=np.float64)
        changes[i] = (scores[1:] - scores[0]).reshape(len(inserts), 2)
    return [
        Marginal(name, strand, text, *_interval(found[:, 0]), float(found[:, 1].mean()), _paired(found), neutral)
        for (name, strand, text), found in zip(inserts, changes.transpose(1, 0, 2), strict=True)
    ]


def _put(sequence: str, text: str) -> str:
    start = (len(sequence) - len(text)) // 2
    return sequence[:start] + text + sequence[start + len(text) :]


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    mean = float(values.mean())
    if len(values) < 2:
        return mean, mean, mean
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def _paired(found: np.ndarray) -> float:
    difference = found[:, 0] - found[:, 1]
    return float(wilcoxon(difference).pvalue) if np.any(difference != 0) else 1.0
