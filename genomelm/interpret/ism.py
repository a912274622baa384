"""In-silico saturation mutagenesis: the reference method that every other attribution is held against.

Signs: an effect is score(alternate) - score(reference). Negative means that the change lowers the score, so the
reference base supports it. `support` turns this round (positive = the base present raises the score), which is the
height of a letter in a logo.
"""

from collections.abc import Callable

import numpy as np

from genomelm.errors import InputError, NumericalError
from genomelm.seq.alphabet import ALPHABETS

PredictPairs = Callable[[str, list[str]], tuple[float, np.ndarray]]
"""(reference, alternates) -> (score of the reference, scores (n,) of the alternates), all cut into patches as the
reference is. Every alternate is as long as the reference."""


def letters_of(alphabet: str) -> str:
    """Return the column letters of an attribution array, ACGT for DNA (the unknown letter has no column)."""
    if alphabet not in ALPHABETS:
        raise InputError(f"alphabet {alphabet!r} is unknown; choose one of {', '.join(ALPHABETS)}")
    return "".join(ALPHABETS[alphabet].letters)


def one_hot(sequence: str, alphabet: str = "dna") -> np.ndarray:
    """Return (l, a) float32, one column a letter; a letter outside the alphabet (N) is a row of zeros."""
    codes = np.frombuffer(sequence.upper().encode("ascii"), dtype=np.uint8)
    columns = np.frombuffer(letters_of(alphabet).encode(), dtype=np.uint8)
    return (codes[:, None] == columns).astype(np.float32)


def substitutions(sequence: str, alphabet: str = "dna") -> list[tuple[int, int, str]]:
    """Return (position, column, mutated sequence) for every single substitution, by position, then column.

    Positions whose letter is outside the alphabet are left out: they have no reference base to compare with.
    """
    sequence, letters = sequence.upper(), letters_of(alphabet)
    return [
        (i, column, sequence[:i] + letter + sequence[i + 1 :])
        for i, base in enumerate(sequence)
        if base in letters
        for column, letter in enumerate(letters)
        if letter != base
    ]


def saturation(predict_pairs: PredictPairs, sequence: str, alphabet: str = "dna", batch_size: int = 128) -> np.ndarray:
    """Score every single substitution of a sequence.

    Args:
        predict_pairs: scores alternates beside their reference, in the reference's segmentation.
        sequence: (l,) letters, either case.
        alphabet: dna, rna or protein.
        batch_size: alternates a call. Each batch is compared with the reference score of its own call.

    Returns:
        (l, a) float64, a = 4 for DNA: score(alternate) - score(reference) in the unit of the score; 0 at the
        reference base, and a row of zeros where the letter is outside the alphabet.

    Raises:
        NumericalError: the model gave NaN or Inf.
    """
    changes = substitutions(sequence, alphabet)
    effects = np.zeros((len(sequence), len(letters_of(alphabet))))
    for first in range(0, len(changes), batch_size):
        batch = changes[first : first + batch_size]
        reference_score, scores = predict_pairs(sequence.upper(), [mutated for _, _, mutated in batch])
        differences = np.asarray(scores, dtype=np.float64) - float(reference_score)
        assert differences.shape == (len(batch),), f"predict_pairs gave {differences.shape} for {len(batch)} alternates"
        if not np.isfinite(differences).all():
            position = batch[int(np.flatnonzero(~np.isfinite(differences))[0])][0]
            raise NumericalError(
                f"the score of a substitution at offset {position} is not finite; "
                "check the model with `genomelm evaluate` before attributing"
            )
        rows, columns = [change[0] for change in batch], [change[1] for change in batch]
        effects[rows, columns] = differences
    return effects


def importance(ism: np.ndarray) -> np.ndarray:
    """Return (l,) mean |effect| over the alternates of each position, from (l, a): unsigned, unit of the score."""
    return np.abs(ism).sum(axis=-1) / (ism.shape[-1] - 1)


def support(ism: np.ndarray) -> np.ndarray:
    """Return (l,) minus the mean effect over the alternates, from (l, a): positive where the base raises the score."""
    return -ism.sum(axis=-1) / (ism.shape[-1] - 1)


def largest_gap(
    predict_pairs: PredictPairs, sequence: str, ism: np.ndarray, alphabet: str = "dna", every: int = 1
) -> tuple[float, int]:
    """Score substitutions again, one at a time, and return (largest |difference| from `ism`, number compared).

    Args:
        every: compare each n-th substitution only.
    """
    sequence = sequence.upper()
    gap, compared = 0.0, 0
    for position, column, mutated in substitutions(sequence, alphabet)[::every]:
        reference_score, _ = predict_pairs(sequence, [sequence])
        _, scores = predict_pairs(sequence, [mutated])
        gap = max(gap, abs(float(scores[0]) - float(reference_score) - float(ism[position, column])))
        compared += 1
    return gap, compared
