"""Shuffled sequences that keep every dinucleotide count: the background for scores and attributions."""

import itertools

import numpy as np


def counter_rng(*counters: int) -> np.random.Generator:
    """Return a generator that is a pure function of its counters (seed, index, ...)."""
    return np.random.default_rng(np.random.SeedSequence(counters))


def dinucleotide_shuffle(sequence: str, *counters: int) -> str:
    """Return a uniformly drawn permutation of `sequence` with the same dinucleotide counts.

    The sequence is an Eulerian path over its letters. Drawing a random last edge for every letter until these edges
    form a tree into the final letter, and shuffling the other edges, draws such paths uniformly.

    Args:
        sequence: letters of any alphabet; case is kept, so mixed case counts as different letters.
        counters: of the draw (seed, index, ...); a shuffle does not depend on the others.

    Source: Altschul and Erickson 1985, Molecular Biology and Evolution 2:526-538.
    """
    if len(sequence) < 4:
        return sequence
    rng = counter_rng(*counters)
    successors: dict[str, list[str]] = {}
    for letter, following in itertools.pairwise(sequence):
        successors.setdefault(letter, []).append(following)
    end = sequence[-1]
    last = _last_edges(successors, end, rng)
    for letter, edges in successors.items():
        if letter in last:
            edges.remove(last[letter])
        rng.shuffle(edges)
        if letter in last:
            edges.append(last[letter])
    walk, used = [sequence[0]], dict.fromkeys(successors, 0)
    for _ in range(len(sequence) - 1):
        letter = walk[-1]
        walk.append(successors[letter][used[letter]])
        used[letter] += 1
    return "".join(walk)


def _last_edges(successors: dict[str, list[str]], end: str, rng: np.random.Generator) -> dict[str, str]:
    """Draw each letter's last successor until every letter reaches `end` along these edges."""
    letters = [letter for letter in successors if letter != end]
    while True:
        last = {letter: successors[letter][rng.integers(len(successors[letter]))] for letter in letters}
        if all(_reaches(letter, end, last) for letter in letters):
            return last


def _reaches(letter: str, end: str, last: dict[str, str]) -> bool:
    for _ in range(len(last) + 1):
        if letter == end:
            return True
        letter = last[letter]
    return False
