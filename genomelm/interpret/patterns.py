"""Motifs out of seqlets: lay them over each other, take the densest group, sharpen it, and begin again with the rest.

1. Every two seqlets are compared by their contributions over all offsets and both strands (`alignment`).
2. The seqlet with the most likeness to others leads; those most like it give a first matrix.
3. The matrix is trimmed to the columns that carry attribution, and every seqlet of the sign is asked whether it holds
   a site: a window of matrix p-value at most `SITE_P`, no worse than sites of the matrix itself are, that carries most
   of the seqlet's attribution. Sites give the next matrix, until they no longer change.
4. A group of fewer than `LEAST_SITES` sites, or of hardly more than letters drawn at random would give, is none. The
   sites' seqlets are taken out, and the next group is sought.
5. Motifs that agree where they lie over each other are put together.

Nothing is drawn at random. A group is found in noise too: `motif_null` says whether it means anything.
"""

from collections.abc import Sequence

import numpy as np

from genomelm.interpret.alignment import best_pearson, similarities
from genomelm.interpret.motif import WIDTH, Asked, Maps, Pattern, Site, apart, build, widened
from genomelm.interpret.seqlets import FLANK, Seqlet

ALIKE = 0.6
"""Cosine from which two seqlets count as alike."""
NEAREST = 25
"""Seqlets most like the leader that make the first matrix."""
LEAST_SITES = 8
LEAST_STRENGTH = 5.0
"""Of a group, see `Pattern.strength`."""
MOST = 2000
"""Seqlets of a sign, the strongest first, in which motifs are sought."""
LEADERS = 800
"""Seqlets, the strongest first, among which leaders are sought."""
SAME = 0.85
"""Pearson of contributions from which two motifs count as one."""
FAILURES = 10
ROUNDS = 8


def discover(maps: Maps, seqlets: Sequence[Seqlet], sign: int) -> list[Pattern]:
    """Return the motifs of the seqlets of one sign, the strongest first."""
    asked = _strongest(maps, seqlets, sign)
    if len(asked.frames) < LEAST_SITES:
        return []
    pile = np.maximum(asked.values, 0)[:LEADERS]
    cosine, offset, flip = similarities(pile, pile, FLANK)
    alike = np.where(cosine >= ALIKE, cosine, 0)
    left = np.ones(len(asked.frames), bool)
    leading = np.ones(len(pile), bool)
    found, failures = [], 0
    while failures < FAILURES:
        leading &= left[: len(pile)]
        mass = np.where(leading, alike @ leading, 0)
        if mass.max() <= 1.0 + 1e-6:  # nothing is like anything but itself
            break
        leader = int(np.argmax(mass))
        members = np.flatnonzero((alike[:, leader] > 0) & left[: len(pile)])
        members = members[np.argsort(-alike[members, leader], kind="stable")[:NEAREST]]
        rough = [_laid(asked.frames[i], int(offset[i, leader]), int(flip[i, leader])) for i in members]
        pattern, held = _sharpen(asked, rough, left)
        if pattern is None:
            leading[leader] = False
            failures += 1
        else:
            found.append(pattern)
            left[held] = False
            left[leader] = False
    return sorted(_merged(maps, found), key=_order)


def restated(maps: Maps, seqlets: Sequence[Seqlet], sign: int, ppm: np.ndarray) -> Pattern | None:
    """Return a matrix (w, 4) that was found elsewhere as a motif of these seqlets, its sites by the rule above.

    None where fewer than two seqlets hold it.
    """
    asked = _strongest(maps, seqlets, sign)
    _, sites, expected = asked.sites(ppm, LEAST_SITES, np.ones(len(asked.frames), bool))
    return build(maps, sites, len(ppm), sign, expected)


def _order(pattern: Pattern) -> tuple:
    return -pattern.strength, pattern.sites


def _strongest(maps: Maps, seqlets: Sequence[Seqlet], sign: int) -> Asked:
    chosen = sorted((s for s in seqlets if s.sign == sign), key=lambda s: (-abs(s.attribution), s))[:MOST]
    return Asked.of(maps, chosen, sign)


def _laid(frame: Site, offset: int, flip: int) -> Site:
    """Return where the leader's columns lie in a member's region: the member's column i lies over column i + offset."""
    return Site(frame.region, frame.start + (offset if flip else -offset), flip)


def _sharpen(asked: Asked, rough: Sequence[Site], left: np.ndarray) -> tuple[Pattern | None, np.ndarray]:
    """Turn rough sites into a motif; return it with the numbers of its seqlets, or None when too little is left.

    Args:
        left: (n,) bool, seqlets not yet taken.
    """
    pattern, held = build(asked.maps, rough, WIDTH, asked.sign, 0.0), np.zeros(0, np.int64)
    for _ in range(ROUNDS):
        if pattern is None:
            return None, held
        width = len(pattern.ppm)
        numbers, sites, expected = asked.sites(pattern.ppm, len(pattern.sites), left)
        if np.array_equal(numbers, held) and tuple(apart(sites, width)) == pattern.sites:
            break
        held = numbers
        pattern = build(asked.maps, widened(sites, width), WIDTH, asked.sign, expected)
    if pattern is None or len(pattern.sites) < LEAST_SITES or pattern.strength < LEAST_STRENGTH:
        return None, held
    return pattern, held


def _merged(maps: Maps, patterns: list[Pattern]) -> list[Pattern]:
    """Put motifs together, strongest first, whose contributions agree over all columns of the wider one."""
    kept: list[Pattern] = []
    for pattern in sorted(patterns, key=_order):
        for number, other in enumerate(kept):
            together = _together(maps, other, pattern)
            if together is not None:
                kept[number] = together
                break
        else:
            kept.append(pattern)
    return kept


def _together(maps: Maps, larger: Pattern, smaller: Pattern) -> Pattern | None:
    """Return both as one motif, or None when they differ: a half of a two-part motif is another motif."""
    width, wide = len(smaller.ppm), len(larger.ppm)
    if width <= wide:
        agreement, offset, flip = best_pearson(smaller.cwm, larger.cwm, 0.0)
    else:
        agreement, offset, flip = best_pearson(larger.cwm, smaller.cwm, 0.0)
        offset = wide - width + offset if flip else -offset
    if agreement < SAME:
        return None
    # The smaller's column i, turned round when flip is 1, lies over the larger's column i + offset.
    moved = []
    for site in smaller.sites:
        forward = site.flip == flip
        start = site.start + (-offset if forward else width + offset - wide)
        moved.append(Site(site.region, start, 0 if forward else 1))
    return build(maps, [*larger.sites, *moved], wide, larger.sign, larger.expected + smaller.expected)
