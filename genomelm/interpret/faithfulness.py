"""Does the attribution order matter to the model? Deletion and insertion curves against random order, paired.

Deletion replaces bases of the sequence step by step, highest attribution first; insertion puts them back into the
replaced sequence. Each seed draws one replacement for every position and one random order; both orders use the same
replacements, so that only the order differs. The p-value speaks about orders and replacements on this one sequence
and model, not about biology.
"""

import numpy as np
from scipy.stats import wilcoxon

from genomelm.interpret.ism import PredictPairs, letters_of
from genomelm.interpret.null import counter_rng


def replacements(sequence: str, rng: np.random.Generator, alphabet: str = "dna") -> str:
    """Return a sequence that differs from `sequence` at every position of the alphabet: a random alternate each."""
    letters = letters_of(alphabet)
    return "".join(
        letters[(letters.index(base) + 1 + rng.integers(len(letters) - 1)) % len(letters)] if base in letters else base
        for base in sequence.upper()
    )


def step_counts(length: int, points: int) -> np.ndarray:
    """Return the numbers of replaced positions at which a curve is read: 0 ... length, at most `points` of them."""
    return np.unique(np.linspace(0, length, min(points, length + 1)).round().astype(np.int64))


def path(start: str, end: str, order: np.ndarray, counts: np.ndarray) -> list[str]:
    """Return the sequences on the way from `start` to `end`: the first k positions of `order` (l,) taken from `end`."""
    first, second = np.array(list(start)), np.array(list(end))
    found = []
    for k in counts:
        mixed = first.copy()
        mixed[order[:k]] = second[order[:k]]
        found.append("".join(mixed))
    return found


def curves(
    predict_pairs: PredictPairs,
    sequence: str,
    attribution: np.ndarray,
    *,
    seeds: int = 20,
    points: int = 16,
    seed: int = 0,
    alphabet: str = "dna",
) -> dict:
    """Return deletion and insertion curves of an attribution and of random order.

    Args:
        attribution: (l,) signed support, positive where the base raises the score (`ism.support`).
        seeds: paired repeats. points: readings a curve.

    Returns:
        {"positions": [k...], "deletion": {...}, "insertion": {...}}, each of the two with the mean score by `ordered`
        and `random` (lists as long as positions), and `test` (see `paired`).
    """
    sequence = sequence.upper()
    counts = step_counts(len(sequence), points)
    ranked = np.argsort(-attribution, kind="stable")
    scores = np.empty((2, 2, seeds, len(counts)))  # deletion/insertion, ordered/random, seed, point
    for repeat in range(seeds):
        rng = counter_rng(seed, repeat)
        replaced = replacements(sequence, rng, alphabet)
        orders = (ranked, rng.permutation(len(sequence)))
        for kind, (start, end) in enumerate(((sequence, replaced), (replaced, sequence))):
            batch = [step for order in orders for step in path(start, end, order, counts)]
            _, found = predict_pairs(sequence, batch)
            scores[kind, :, repeat] = np.asarray(found, dtype=np.float64).reshape(2, len(counts))
    result: dict = {"positions": counts.tolist()}
    for kind, (name, sign) in enumerate((("deletion", -1.0), ("insertion", 1.0))):
        areas = np.trapezoid(scores[kind], counts, axis=-1) / max(int(counts[-1]), 1)  # (ordered/random, seed)
        result[name] = {
            "ordered": scores[kind, 0].mean(axis=0).tolist(),
            "random": scores[kind, 1].mean(axis=0).tolist(),
            "test": paired(sign * (areas[0] - areas[1])),
        }
    return result


def paired(differences: np.ndarray) -> dict:
    """Test that paired differences (n,) lie above 0 (Wilcoxon signed-rank, one-sided).

    Returns:
        {"n", "mean_difference", "effect_size" (mean / standard deviation, None when they do not vary), "p"}
    """
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    moved = bool(np.any(differences != 0))
    return {
        "n": len(differences),
        "mean_difference": float(differences.mean()),
        "effect_size": float(differences.mean()) / spread if spread > 0 else None,
        "p": float(wilcoxon(differences, alternative="greater").pvalue) if moved else 1.0,
    }
