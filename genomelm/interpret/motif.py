"""A motif, where its sites stand, and the rule by which a seqlet holds one."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import poisson

from genomelm.interpret.pwm import STEPS_A_BIT, UNIFORM, flipped, log_odds, own_quantile, p_values, scan
from genomelm.interpret.seqlets import CORE, FLANK, Seqlet

WIDTH = CORE + 2 * FLANK
"""Bases of a seqlet, flanks included."""
SITE_P = 1e-3
OWN_SHARE = 0.02
"""A site scores at least as high as all but this share of the sites that the matrix itself would give."""
CARRIED = 0.7
"""Share of a seqlet's attribution that a site carries: a site read a few bases beside the true one carries less."""
LEAST_WIDTH = 5
EDGE = 0.25
"""Columns at the ends with less than this share of the largest column's attribution are trimmed off."""


class Site(NamedTuple):
    """Where a motif stands: its columns lie over [start, start + w) of a region, turned round when flip is 1."""

    region: int
    start: int
    flip: int


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A motif of one sign.

    Attributes:
        sign: 1: its letters raise the score; -1: they lower it.
        ppm: (w, 4) letter frequencies of the sites. cwm: (w, 4) their mean contributions, unit of the score.
        sites: none overlaps another by half.
        expected: sites that letters of the background would give in the seqlets that were asked.
    """

    sign: int
    ppm: np.ndarray
    cwm: np.ndarray
    sites: tuple[Site, ...]
    expected: float

    @property
    def strength(self) -> float:
        """-log10 of the Poisson chance of so many sites where `expected` are: what null runs are compared by.

        It is no p-value, as the matrix was fitted to these very sites.
        """
        return float(-poisson.logsf(len(self.sites) - 1, max(self.expected, 1e-9)) / np.log(10))


@dataclasses.dataclass(frozen=True)
class Maps:
    """Sequences and the contributions of their letters, with room for windows that overhang.

    Attributes:
        one_hot: (N, l, 4). contributions: (N, l) signed, unit of the score. background: of A C G T.
    """

    one_hot: np.ndarray
    contributions: np.ndarray
    background: tuple[float, ...] = UNIFORM

    def windows(self, sites: Sequence[Site], width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return letters and contributions, (n, width, 4) each, of windows read as the motif is; zeros overhang."""
        if not sites:
            return np.zeros((0, width, 4)), np.zeros((0, width, 4))
        rows, starts, flips = (np.array(column) for column in zip(*sites, strict=True))
        at = starts[:, None] + np.arange(width)
        inside = (at >= 0) & (at < self.one_hot.shape[1])
        at = np.where(inside, at, 0)
        letters = self.one_hot[rows[:, None], at] * inside[..., None]
        values = letters * self.contributions[rows[:, None], at][..., None]
        turned = flips.astype(bool)[:, None, None]
        return np.where(turned, flipped(letters), letters), np.where(turned, flipped(values), values)


@dataclasses.dataclass(frozen=True)
class Asked:
    """Seqlets of one sign as windows in which a motif may stand.

    Attributes:
        frames: where each begins. letters, values: (n, WIDTH, 4), contributions with their sign turned up.
        need: (n,) attribution that a site must carry.
    """

    maps: Maps
    sign: int
    frames: tuple[Site, ...]
    letters: np.ndarray
    values: np.ndarray
    need: np.ndarray

    @classmethod
    def of(cls, maps: Maps, seqlets: Sequence[Seqlet], sign: int) -> "Asked":
        """Take seqlets in the order given; all are of this sign."""
        frames = tuple(Site(s.region, s.core - FLANK, 0) for s in seqlets)
        letters, values = maps.windows(frames, WIDTH)
        return cls(
            maps, sign, frames, letters, sign * values, np.array([CARRIED * abs(s.attribution) for s in seqlets])
        )

    def sites(self, ppm: np.ndarray, many: int, left: np.ndarray) -> tuple[np.ndarray, list[Site], float]:
        """Ask every seqlet whether it holds a site of a matrix.

        Args:
            ppm: (w, 4), of `many` sites: few make it less sure of its letters. left: (n,) bool, the seqlets to ask.

        Returns:
            the numbers of those that do, the best site of each, and how many letters of the background would give.
        """
        numbers, width = np.flatnonzero(left), len(ppm)
        if not len(numbers) or width > WIDTH:
            return numbers[:0], [], 0.0
        background = self.maps.background
        ppm = (many * ppm + np.sqrt(many) * np.asarray(background)) / (many + np.sqrt(many))
        weights = log_odds(ppm, background)
        lowest, table = p_values(weights, background)
        at_p = (lowest + int(np.count_nonzero(table > SITE_P))) / STEPS_A_BIT
        least = max(own_quantile(weights, ppm, OWN_SHARE), at_p)
        chance = table[min(round(least * STEPS_A_BIT) - lowest, len(table) - 1)]
        found = scan(self.letters[numbers], ppm, background)
        total = np.cumsum(np.pad(self.values[numbers].sum(axis=2), ((0, 0), (1, 0))), axis=1)
        carried = total[:, width:] - total[:, :-width]  # (n, windows)
        strong = (carried >= self.need[numbers, None])[..., None] & np.isfinite(found.scores)
        scores = np.where(strong & (found.scores >= least - 1e-6), found.scores, -np.inf).reshape(len(numbers), -1)
        best = scores.argmax(axis=1)
        kept = np.isfinite(scores[np.arange(len(numbers)), best])
        sites = [
            Site(self.frames[i].region, self.frames[i].start + int(at) // 2, int(at) % 2)
            for i, at in zip(numbers[kept], best[kept], strict=True)
        ]
        return numbers[kept], sites, float(chance * strong.sum())


def build(maps: Maps, sites: Sequence[Site], width: int, sign: int, expected: float) -> Pattern | None:
    """Build a motif from sites of `width` columns and trim it to what carries attribution; None where nothing does."""
    sites = apart(sites, width)
    letters, values = maps.windows(sites, width)
    carried = np.maximum(sign * values.sum(axis=(0, 2)), 0)
    if len(sites) < 2 or carried.max() <= 0:
        return None
    columns = np.flatnonzero(carried >= EDGE * carried.max())
    first, last = int(columns[0]), int(columns[-1]) + 1
    while last - first < LEAST_WIDTH:  # widen towards the side that carries more
        before = carried[first - 1] if first > 0 else -1.0
        after = carried[last] if last < width else -1.0
        first, last = (first - 1, last) if before > after else (first, last + 1)
    counts = letters[:, first:last].sum(axis=0)
    ppm = (counts + np.asarray(maps.background) / 2) / (counts.sum(axis=1, keepdims=True) + 0.5)
    trimmed = (s._replace(start=s.start + (width - last if s.flip else first)) for s in sites)
    return Pattern(sign, ppm, values[:, first:last].mean(axis=0), tuple(trimmed), expected)


def widened(sites: Sequence[Site], width: int) -> list[Site]:
    """Return sites of `width` columns as sites of WIDTH columns, with the motif in the same columns on both strands."""
    before = (WIDTH - width) // 2
    after = WIDTH - width - before
    return [s._replace(start=s.start - (after if s.flip else before)) for s in sites]


def apart(sites: Sequence[Site], width: int) -> list[Site]:
    """Drop sites that overlap an earlier one by more than half: both halves of a palindrome find the same site."""
    kept: list[Site] = []
    last: dict[int, list[int]] = {}
    for site in sites:
        others = last.setdefault(site.region, [])
        if all(abs(site.start - other) > width / 2 for other in others):
            others.append(site.start)
            kept.append(site)
    return kept
