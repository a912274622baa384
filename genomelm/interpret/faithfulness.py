"""Does the attribution order matter to the model? Deletion and insertion curves against random order, paired.

Deletion replaces bases of the sequence step by step, highest attribution first; insertion puts them back into the
replaced sequence. Each seed draws one replacement for every position and one random order; both orders use the same
replacements, so that only the order differs. The p-value speaks about orders and replacements on this one sequence
and model, not about biology; `over_regions` pairs over regions, and its p-value speaks about regions like these.
"""

from collections.abc import Sequence

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


def over_regions(
    predict_pairs: PredictPairs,
    sequences: Sequence[str],
    attributions: np.ndarray,
    *,
    points: int = 16,
    orders: int = 2,
    seed: int = 0,
    alphabet: str = "dna",
) -> np.ndarray:
    """Return the scores along deletion and insertion curves of many regions.

    A region has one replacement of all its bases, which its orders share. A GC-matched order takes, at every step, a
    random base of the class (G or C, A or T) that the attribution's order takes there.

    Args:
        attributions: (n, l) signed support, positive where the base raises the score.
        orders: random orders a region, and as many GC-matched ones.

    Returns:
        (n, 2, 1 + 2 orders, points): deletion, insertion; the attribution's order, random ones, GC-matched ones.
    """
    scores = []
    for index, (sequence, values) in enumerate(zip(sequences, attributions, strict=True)):
        rng = counter_rng(seed, index)
        counts = step_counts(len(sequence), points)
        replaced = replacements(sequence, rng, alphabet)
        ranked = np.argsort(-values, kind="stable")
        ways = [ranked, *(rng.permutation(len(sequence)) for _ in range(orders))]
        ways += [gc_matched(sequence, ranked, rng) for _ in range(orders)]
        ends = ((sequence, replaced), (replaced, sequence))
        steps = [step for start, end in ends for way in ways for step in path(start, end, way, counts)]
        found = np.asarray(predict_pairs(sequence, steps)[1], dtype=np.float64)
        scores.append(found.reshape(2, len(ways), len(counts)))
    return np.stack(scores)


def gc_matched(sequence: str, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random order (l,) whose k-th base is G or C exactly where the k-th base of `order` is."""
    strong = np.isin(np.array(list(sequence)), ["G", "C"])
    found = np.empty_like(order)
    for kind in (False, True):
        places = strong[order] == kind
        found[places] = rng.permutation(np.flatnonzero(strong == kind))
    return found


def pooled(scores: np.ndarray, counts: np.ndarray, orders: int) -> dict[str, dict]:
    """Test curves over regions: one paired difference a region, between the attribution's order and the mean of others.

    Args:
        scores: as `over_regions` returns them. counts: (points,) replaced bases.

    Returns:
        {"deletion", "insertion"}: n, p, effect_size, mean_difference against random order, p_gc and effect_size_gc
        against GC-matched order, and the mean curves ordered, random and gc_matched over positions. Areas are means of
        the score along a curve, turned so that positive is better.
    """
    found = {}
    for kind, (name, sign) in enumerate((("deletion", -1.0), ("insertion", 1.0))):
        curves = scores[:, kind]  # (n, 1 + 2 orders, points)
        areas = sign * np.trapezoid(curves, counts, axis=-1) / max(int(counts[-1]), 1)
        random, matched = slice(1, 1 + orders), slice(1 + orders, None)
        against = paired(areas[:, 0] - areas[:, random].mean(-1))
        harder = paired(areas[:, 0] - areas[:, matched].mean(-1))
        found[name] = {
            **against,
            "p_gc": harder["p"],
            "effect_size_gc": harder["effect_size"],
            "positions": counts.tolist(),
            "ordered": curves[:, 0].mean(0).tolist(),
            "random": curves[:, random].mean((0, 1)).tolist(),
            "gc_matched": curves[:, matched].mean((0, 1)).tolist(),
        }
    return found
