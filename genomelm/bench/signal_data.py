"""Random sequences with planted words, of which one raises the label and one lowers it: pure functions of counters."""

from collections.abc import Sequence

import numpy as np

from genomelm.interpret.null import counter_rng
from genomelm.seq.alphabet import reverse_complement
from genomelm.tasks.examples import Examples

WORDS = (("TTGACGCA", 1.0), ("GGTACATC", -1.0))
"""Words and what one site of them, on either strand, adds to a label, in the label's unit."""


def planted(length: int, *counters: int) -> tuple[str, float]:
    """Return a sequence that holds one word or both, apart, and what they add to its label."""
    rng = counter_rng(*counters)
    return _with(rng, length, [(True, True), (True, False), (False, True)][rng.integers(3)])


def regions(count: int, length: int, share: float, *counters: int) -> list[str]:
    """Return sequences in random order of which `share` hold words and the others none."""
    found, with_words = [], round(share * count)
    for place, i in enumerate(counter_rng(*counters, count).permutation(count)):
        bare = _with(counter_rng(*counters, place), length, (False, False))[0]
        found.append(planted(length, *counters, place)[0] if i < with_words else bare)
    return found


def examples_of(count: int, length: int, strength: float, seed: int, shuffled: bool = False) -> Examples:
    """Return training data: each word is there or not by chance, and the label has noise of deviation 1.

    Args:
        strength: what a word adds, in deviations of the noise.
        shuffled: whether training's labels are dealt out anew.
    """
    texts, labels = [], []
    for i in range(count):
        rng = counter_rng(seed, i)
        text, label = _with(rng, length, rng.random(len(WORDS)) < 0.5)
        texts.append(text)
        labels.append(strength * label + rng.normal())
    values, splits = np.array(labels), np.array(["train"] * count, dtype=object)
    splits[count - count // 5 :] = "test"
    splits[count - count // 5 : count - count // 10] = "validation"
    if shuffled:
        rows = np.flatnonzero(splits == "train")
        values[rows] = values[counter_rng(seed, count).permutation(rows)]
    return Examples(tuple(map(str, range(count))), tuple(texts), values, splits.astype(str))


def _with(rng: np.random.Generator, length: int, held: Sequence[bool]) -> tuple[str, float]:
    letters, label = rng.choice(list("ACGT"), length), 0.0
    half = length // len(WORDS)
    for place, ((word, effect), there) in enumerate(zip(WORDS, held, strict=True)):
        start = place * half + rng.integers(half - len(word) + 1)
        written = word if rng.random() < 0.5 else reverse_complement(word)
        if there:
            letters[start : start + len(word)] = list(written)
            label += effect
    text = "".join(letters)
    return (reverse_complement(text) if rng.random() < 0.5 else text), label
