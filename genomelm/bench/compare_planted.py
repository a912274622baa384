"""Random DNA with planted sites: associative recall, and an enhancer that decides with each promoter about a label.

Sequences are pure functions of their counters; nothing is on disk.
"""

from dataclasses import dataclass

import numpy as np

from genomelm.bench.compare_grid import EnhancerPart, RecallPart
from genomelm.runtime import counter_seed

LETTERS = np.frombuffer(b"ACGT", np.uint8)
TYPES = 2
"""Kinds of enhancers, and of promoters."""

ASKED = 8
"""Bases behind a promoter where its label stands."""

ROOM = 1.25
"""Least distances that a sequence has room for where it keeps the wanted one."""


@dataclass(frozen=True)
class Planted:
    """Sequences of one length with the places that a model is asked about.

    Attributes:
        ids: (b, l) uint8.
        where: (b, n) int64, places that are asked about: the answer's own, or ASKED bases behind a promoter.
        answers: (b, n) int64, classes: index of the base in ACGT, or the label.
        told, kinds: (b, m) int64, further places and their classes, which training alone tells. Recall: the second half
            of each key that was there before. Enhancer: at promoters' ends which kind they are, and at places between
            enhancer and promoters, more of them the nearer to it, which kind that was.
    """

    ids: np.ndarray
    where: np.ndarray
    answers: np.ndarray
    told: np.ndarray
    kinds: np.ndarray


def recall(part: RecallPart, length: int, rows: int, *counters: int | str) -> Planted:
    """Return sequences in which keys, each followed by its value, stand at random offsets several times.

    Keys of a sequence differ from each other; the background and the values are random. All times but a key's first
    the value could be known.
    """
    generator = np.random.default_rng(counter_seed("recall", length, *counters))
    ids = generator.integers(0, 4, (rows, length), np.uint8)
    items, size = part.pairs * (1 + part.queries), part.key + part.value
    half, repeats = part.key - part.key // 2, part.pairs * part.queries
    where = np.zeros((rows, repeats * part.value), np.int64)
    told = np.zeros((rows, repeats * (part.key - half)), np.int64)
    for row, letters in enumerate(ids):
        keys = _different(generator, part.pairs, part.key)
        pairs = np.concatenate([keys, generator.integers(0, 4, (part.pairs, part.value), np.uint8)], 1)
        order = generator.permutation(np.repeat(np.arange(part.pairs), 1 + part.queries))
        starts = np.sort(generator.integers(0, length - items * size + 1, items)) + np.arange(items) * size
        letters[starts[:, None] + np.arange(size)] = pairs[order]
        again = np.ones(items, bool)
        again[np.unique(order, return_index=True)[1]] = False
        where[row] = (starts[again][:, None] + np.arange(part.key, size)).ravel()
        told[row] = (starts[again][:, None] + np.arange(half, part.key)).ravel()
    answers, kinds = (np.take_along_axis(ids, places, 1).astype(np.int64) for places in (where, told))
    return Planted(LETTERS[ids], where, answers, told, kinds)


def enhancer(part: EnhancerPart, length: int, rows: int, *counters: int | str) -> Planted:
    """Return random DNA with one enhancer and, at the far end, several promoters, each of one of two kinds.

    A promoter's label is 1 where its kind is not the enhancer's (XOR). Kinds are fair coins of their own, so the label
    is independent of either kind, and of everything that stands nearer than the enhancer.
    """
    generator = np.random.default_rng(counter_seed("enhancer", length, *counters))
    ids = generator.integers(0, 4, (rows, length), np.uint8)
    enhancers, promoters = motifs(part)
    near, far = distances(part, length)
    mine = generator.integers(0, TYPES, rows)
    theirs = generator.integers(0, TYPES, (rows, part.promoters))
    slots = length - part.spacing * np.arange(part.promoters, 0, -1)  # (n,), first base of each promoter's stretch
    starts = slots + generator.integers(0, part.spacing - part.motif - ASKED + 1, theirs.shape)  # (b, n)
    first = starts[:, 0] - generator.integers(near, far + 1, rows)
    taps = np.arange(part.motif)
    every = np.arange(rows)[:, None]
    ids[every, first[:, None] + taps] = enhancers[mine]
    ids[every[..., None], starts[..., None] + taps] = promoters[theirs]
    last = starts + part.motif - 1
    behind = first[:, None] + part.motif - 1
    reach = np.log(starts[:, :1] - behind)
    on_the_way = behind + np.exp(reach * generator.random((rows, part.told))).astype(np.int64) - 1
    told = np.concatenate([on_the_way, last], 1)
    kinds = np.concatenate([mine[:, None].repeat(part.told, 1), theirs], 1)
    return Planted(LETTERS[ids], last + ASKED, mine[:, None] ^ theirs, told, kinds)


def motifs(part: EnhancerPart) -> tuple[np.ndarray, np.ndarray]:
    """Return the sites of both kinds of enhancers and of promoters: (2, motif) uint8 each, indices into ACGT."""
    found = _different(np.random.default_rng(counter_seed("motifs")), 2 * TYPES, part.motif)
    return found[:TYPES], found[TYPES:]


def distances(part: EnhancerPart, length: int) -> tuple[int, int]:
    """Return the least and the greatest distance from the enhancer's start to the first promoter's, bases.

    Sequences with no room for the wanted least distance have an eighth of their room for it: training begins with them.
    """
    room = length - part.spacing * part.promoters
    return part.near if room >= ROOM * part.near else room // 8, min(part.far, room)


def _different(generator: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Return `count` random rows (count, size) uint8 of letters that are all different."""
    while True:
        found = generator.integers(0, 4, (count, size), np.uint8)
        if len(np.unique(found, axis=0)) == count:
            return found
