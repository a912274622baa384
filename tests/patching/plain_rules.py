"""The table of modes read out one byte at a time, and optima by trying every cut: what compiled rules must equal."""

import functools
import itertools
from collections.abc import Iterator

import numpy as np

from genomelm.patching.breaks import KEEP, Breaks
from genomelm.patching.modes import NO_EDGES, Edges, edges_of, segment
from genomelm.patching.rule import Rule


def plain_marks(g: np.ndarray, rule: Rule, edges: Edges = NO_EDGES) -> np.ndarray:
    """Mark the starts bool (n,) of a mode that reads a record once, forwards, from scores g (n,)."""
    codes, leads = g.tolist(), dict(zip(edges.at.tolist(), edges.leads.tolist(), strict=True))
    marks, n, total = [], 0, 0  # n: bytes of the open patch, its lead included; total: scores since the last start
    for k, score in enumerate(codes):
        total += score + rule.zero
        rise = score - codes[k - 1] if k >= 2 else -(10**9)
        high_enough = score > rule.threshold and n >= rule.min and n % rule.multiple == 0
        wanted = {
            "entropy": score > rule.threshold,
            "greedy": total >= rule.threshold or n >= rule.max,
            "monotonic": rise > rule.threshold,
            "dual_threshold": score > rule.threshold and rise > rule.delta,
            "length_constrained": high_enough or n >= rule.max,
            "fixed_stride": n >= rule.stride,
            "byte": True,
            "given": False,
        }[rule.mode]
        starts = k == 0 or k in leads or wanted
        if starts:
            n, total = leads.get(k, 0), 0
        n += 1
        marks.append(starts)
    return np.array(marks, bool)


@functools.cache
def every_cut(length: int) -> list[tuple[int, ...]]:
    """Return every list of starts of a record of `length` bytes, at least one."""
    inner = range(1, length)
    return [(0, *chosen) for size in range(length) for chosen in itertools.combinations(inner, size)]


def worth(g: np.ndarray, rule: Rule, starts: tuple[int, ...]) -> int:
    """Return what the optimum maximises."""
    credit = sum(int(g[k]) - rule.threshold for k in starts[1:])
    return credit - sum(rule.penalties[n] for n in lengths_of(starts, len(g))) if rule.penalties else credit


def lengths_of(starts: tuple[int, ...], length: int) -> list[int]:
    return [end - start for start, end in itertools.pairwise((*starts, length))]


def allowed_cuts(length: int, rule: Rule, lead: int = 0) -> Iterator[tuple[int, ...]]:
    """Give the cuts within the limits; the last patch may be short, and the first one of symmetric cuts too."""
    for starts in every_cut(length):
        lengths = lengths_of(starts, length)
        lengths[0] += lead
        closed = lengths[1:-1] if rule.symmetric else lengths[:-1]
        if max(lengths) <= rule.max and all(n >= rule.min and n % rule.multiple == 0 for n in closed):
            yield starts


def best_cut(g: np.ndarray, rule: Rule, lead: int = 0) -> tuple[int, ...]:
    """Return the starts of most worth; of these the fewest, then the first in order."""
    return min(allowed_cuts(len(g), rule, lead), key=lambda starts: (-worth(g, rule, starts), len(starts), starts))


def mirrored(starts: tuple[int, ...], length: int) -> tuple[int, ...]:
    """Return the starts of the record read backwards."""
    return (0, *sorted(length - k for k in starts[1:]))


def best_by_recursion(g: np.ndarray, rule: Rule) -> list[int]:
    """Return the optimum of a record too long to try every cut of, by the written recursion from its end."""
    length = len(g)
    best: list[tuple[int, int, int | None]] = [(0, 0, None)] * length  # worth, -starts, next start
    for k in range(length - 1, -1, -1):
        cost = lambda n: rule.penalties[n] if rule.penalties else 0
        options = [(-cost(length - k), 0, None)] if length - k <= rule.max else []
        for n in range(rule.min, min(rule.max, length - 1 - k) + 1):
            if n % rule.multiple == 0:
                credit = int(g[k + n]) - rule.threshold - cost(n)
                options.append((best[k + n][0] + credit, best[k + n][1] - 1, k + n))
        best[k] = max(options, key=lambda option: (option[0], option[1], -(option[2] or 0)))
    starts = [0]
    while (following := best[starts[-1]][2]) is not None:
        starts.append(following)
    return starts


def phase_at(breaks: Breaks, position: int) -> int:
    """Return the phase that holds at a position: that of the last break with one, up to here; 0 before the first."""
    known = zip(breaks.positions.tolist(), breaks.phases.tolist(), strict=True)
    return next((phase for at, phase in reversed(list(known)) if at <= position and phase != KEEP), 0)


def check_limits(g: np.ndarray, rule: Rule, breaks: Breaks) -> None:
    """Assert the limits of lengths and the frame, save in the first and last patch of each forced segment."""
    edges = edges_of(breaks, 0, len(g), rule.unit)
    starts = segment(g, rule, edges)
    lengths = np.diff(starts, append=len(g))
    assert starts[0] == 0
    assert lengths.sum() == len(g)
    assert (lengths >= 1).all()
    assert np.isin(edges.at, starts).all()
    forced = np.union1d(edges.at, [0, len(g)])
    lead = dict(zip(edges.at.tolist(), edges.leads.tolist(), strict=True))
    limited = rule.mode in ("length_constrained", "optimal")
    most = {"greedy": rule.max, "fixed_stride": rule.stride}.get(rule.mode, rule.max if limited else len(g))
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        counted = length + lead.get(start, 0)  # what lies before a forced start in its frame counts too
        assert counted <= most
        last = start + length in forced
        if limited and not last:
            assert counted >= rule.min
            assert counted % rule.multiple == 0
            assert start in forced or length % rule.multiple == 0
        if start not in forced:
            assert (start - phase_at(breaks, start)) % rule.unit == 0
