"""Does a motif mean anything? The same discovery where attribution cannot know the letters.

Null runs: the contributions of every region are turned round in a circle against its letters, each by a draw of its
own, and motifs are sought in what the seqlets now lie over. Heights, shapes and places of the piles are as before,
only what they stand on is not. The strongest motif of each run gives a Gumbel distribution, and a motif counts when the
chance of one as strong in a run is at most 1 % and no run holds one.

Shuffled sequences: with maps that the model itself gives to dinucleotide-shuffled regions, a motif must also have more
sites, a seqlet, than those hold. A model that answers to single letters, as one with random weights does, shows its
"motifs" there just as well.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import fisher_exact, gumbel_r

from genomelm.interpret.motif import WIDTH, Maps, Pattern, Site
from genomelm.interpret.null import counter_rng
from genomelm.interpret.patterns import LEAST_STRENGTH, discover
from genomelm.interpret.pwm import scan
from genomelm.interpret.seqlets import CORE, FLANK, Seqlet

LARGEST_P = 0.01
ENOUGH = 5
"""Runs stop early when this many hold something as strong as the strongest motif."""


def turned(seqlets: Sequence[Seqlet], length: int, seed: int, run: int) -> tuple[list[Seqlet], np.ndarray]:
    """Turn seqlets round within their regions, each region by a draw of its own.

    Returns:
        the seqlets whose core does not fall over the end, and the shifts by region row: (N,) to the right.
    """
    regions = 1 + max((s.region for s in seqlets), default=-1)
    shifts = counter_rng(seed, 0x70, run).integers(1, max(length, 2), size=regions)
    found = []
    for seqlet in seqlets:
        core = (seqlet.core + int(shifts[seqlet.region])) % length
        if core + CORE <= length:
            start, end = max(core - FLANK, 0), min(core + CORE + FLANK, length)
            found.append(seqlet._replace(start=start, end=end, core=core))
    return found, shifts


def turned_maps(maps: Maps, shifts: np.ndarray) -> Maps:
    """Return maps whose contributions are moved by `shifts` (n,) to the right; where no letter stands they are 0."""
    length = maps.contributions.shape[1]
    contributions = maps.contributions.copy()
    at = (np.arange(length) - shifts[:, None]) % length
    contributions[: len(shifts)] = np.take_along_axis(contributions[: len(shifts)], at, axis=1)
    return Maps(maps.one_hot, contributions * maps.one_hot.sum(axis=-1), maps.background)


def judge(
    maps: Maps,
    seqlets: Sequence[Seqlet],
    patterns: Sequence[Pattern],
    *,
    shuffled: tuple[Maps, Sequence[Seqlet]] | None = None,
    runs: int = 19,
    seed: int = 0,
) -> tuple[list[dict], dict]:
    """Hold motifs against null runs and against shuffled sequences.

    Both nulls draw each region apart from the others, so no two may share bases (`regions.apart`).

    Args:
        patterns: what `discover` found in the seqlets, of both signs.
        shuffled: maps of the shuffled regions and the seqlets called in them.
        runs: null runs at most; fewer where motifs of the runs are as strong as the strongest.

    Returns:
        One dict a motif: {"p" (of the null runs), "shuffled_sites", "shuffled_p" (None without shuffled), "real"}, and
        the check: {"found", "patterns" (that count), "null_patterns" (mean a run), "null_strongest", "strongest", "p"
        (of the strongest; 1 without motifs), "runs", "shuffled" (bool)}.
    """
    if not patterns:
        empty = {"found": 0, "patterns": 0, "null_patterns": 0.0, "null_strongest": None, "strongest": None, "p": 1.0}
        return [], {**empty, "runs": 0, "shuffled": shuffled is not None}
    strongest = max(p.strength for p in patterns)
    counts, null = [], []
    length = maps.one_hot.shape[1]
    while len(null) < runs and sum(value >= strongest for value in null) < ENOUGH:
        moved, shifts = turned(seqlets, length, seed, len(null))
        behind = turned_maps(maps, shifts)
        found = [p for sign in (1, -1) for p in discover(behind, moved, sign)]
        counts.append(len(found))
        null.append(max((p.strength for p in found), default=LEAST_STRENGTH))
    heights = np.array(null)
    rows = []
    for pattern in patterns:
        p = chance(pattern.strength, heights)
        real = p <= LARGEST_P and pattern.strength > heights.max()
        row = {"p": p, "shuffled_sites": None, "shuffled_p": None, "real": bool(real)}
        if shuffled is not None:
            row |= _against_shuffled(pattern, maps, seqlets, *shuffled)
            row["real"] = row["real"] and row["shuffled_p"] <= LARGEST_P
        rows.append(row)
    return rows, {
        "found": len(patterns),
        "patterns": sum(row["real"] for row in rows),
        "null_patterns": float(np.mean(counts)) if counts else 0.0,
        "null_strongest": float(heights.max()) if len(heights) else None,
        "strongest": strongest,
        "p": min(row["p"] for row in rows),
        "runs": len(heights),
        "shuffled": shuffled is not None,
    }


def chance(strength: float, heights: np.ndarray) -> float:
    """Return the chance that a run's strongest motif is at least as strong, from those of the runs (n,).

    A Gumbel distribution by moments. Its scale is at least 1 / ln 10, that of the largest of many true -log10 p.
    """
    spread = float(heights.std(ddof=1)) if len(heights) > 1 else 0.0
    scale = max(spread * np.sqrt(6) / np.pi, 1 / np.log(10))
    return float(gumbel_r.sf(strength, heights.mean() - np.euler_gamma * scale, scale))


def holding(pattern: Pattern, maps: Maps, seqlets: Sequence[Seqlet], p: float = 1e-3) -> int:
    """Return how many seqlets of the motif's sign hold a window of matrix p-value at most `p` on either strand."""
    chosen = [s for s in seqlets if s.sign == pattern.sign]
    letters, _ = maps.windows([Site(s.region, s.core - FLANK, 0) for s in chosen], max(WIDTH, len(pattern.ppm)))
    found = scan(letters, pattern.ppm, maps.background)
    return int((found.p.min(axis=(1, 2), initial=1.0) <= p).sum())


def _against_shuffled(
    pattern: Pattern, maps: Maps, seqlets: Sequence[Seqlet], other: Maps, others: Sequence[Seqlet]
) -> dict:
    """Compare sites a base of sequence: Poisson counts given their sum, the real ones more numerous.

    The matrix was fitted to the real seqlets that are counted, so this p-value alone is too small: it can only turn
    down what the null runs, which fit matrices of their own, let pass.
    """
    here, there = holding(pattern, maps, seqlets), holding(pattern, other, others)
    bases, other_bases = int(maps.one_hot.sum()), int(other.one_hot.sum())
    table = [[here, bases - here], [there, other_bases - there]]
    return {"shuffled_sites": there, "shuffled_p": float(fisher_exact(table, alternative="greater").pvalue)}
