"""Find the threshold that gives a wanted mean patch length."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from genomelm.errors import InputError
from genomelm.patching.breaks import Breaks
from genomelm.patching.codes import LARGEST, Scale
from genomelm.patching.modes import NO_EDGES, START, Edges, edges_of, mark
from genomelm.patching.optimal import anchors
from genomelm.patching.rule import Rule, from_codes

TOLERANCE = 0.01
PIECE = 1 << 20
FURTHEST = 1 << 26
"""A price of a start, in codes, beside which scores hardly count, so that limits of length rule an optimum."""


def calibrate(
    scores: Iterable[np.ndarray],
    mean: float,
    scale: Scale,
    rule: Rule,
    edges: Sequence[Edges] | None = None,
    counted: Iterable[np.ndarray] | None = None,
) -> float:
    """Return the threshold under which `rule` cuts the records into patches of `mean` bytes on average.

    Modes entropy and monotonic: the exact quantile of the scores' (or their rises') histogram. The others:
    bisection. Two bytes of memory a position, three where not every byte is counted.

    Args:
        scores: float32 (l + 1,) of each record as a source gives them, or their codes, uint16.
        mean: the wanted bytes a patch.
        scale: how scores become codes.
        rule: the mode and its limits; its threshold is not read.
        edges: forced starts of each record.
        counted: bool (l,) of each record: the bytes whose number and starts make the mean; all by default. Records
            are cut whole all the same, as the patcher will cut them.

    Raises:
        InputError: no threshold comes within 1 % of `mean`; the message names the ties.
    """
    if not 1 <= mean < math.inf:
        raise InputError(f"a mean patch of {mean} bytes is asked for: ask for 1 or more")
    records = [(record if record.dtype == np.uint16 else scale.encode(record))[:-1] for record in scores]
    forced = [NO_EDGES] * len(records) if edges is None else edges
    forced = [_within(cut, len(record)) for cut, record in zip(forced, records, strict=True)]
    every = (np.broadcast_to(np.True_, len(record)) for record in records)
    counts = [*(every if counted is None else counted)]
    bases = sum(int(np.count_nonzero(count)) for count in counts)
    if not bases:
        raise InputError("there are no scores to calibrate on: give a longer training region")
    if rule.mode in ("entropy", "monotonic") and not any(len(cut.at) for cut in forced):
        starts, ties = _by_histogram(records, rule, counts)
    else:
        starts, ties = _by_marking(records, rule, forced, counts), None
    for ends in _ranges(rule):
        low, high = _bracket(starts, bases / mean, *ends)
        if low < high:
            break
    found = {code: starts(code) for code in (low, high)}
    means = {code: bases / count if count else math.inf for code, count in found.items()}
    best = min(means, key=lambda code: (abs(means[code] - mean), code))
    if abs(means[best] - mean) > TOLERANCE * mean:
        raise InputError(
            f"no threshold gives a mean patch of {mean:g} bytes within {TOLERANCE:.0%}: "
            + _why(low, high, means, ties, rule, scale)
        )
    return from_codes(rule.mode, best, scale)


Starts = Callable[[int], int]


def _by_histogram(records: list[np.ndarray], rule: Rule, counts: list[np.ndarray]) -> tuple[Starts, Starts]:
    """Return how many counted starts a threshold gives, and how many counted scores (or rises) equal it."""
    histogram = np.zeros(2 * LARGEST + 1, np.int64)  # of values from -LARGEST to LARGEST
    overlap = int(rule.mode == "monotonic")  # a rise needs the score before it
    firsts = sum(int(count[:1].sum()) for count in counts)
    for record, count in zip(records, counts, strict=True):
        for first in range(1, len(record), PIECE):
            values = record[first : first + PIECE + overlap].astype(np.int32)
            values = np.diff(values) if overlap else values
            values = values[count[first + overlap :][: len(values)]]
            histogram += np.bincount(values + LARGEST, minlength=len(histogram))
    above = np.append(histogram[::-1].cumsum()[::-1], 0)

    def starts(code: int) -> int:
        return firsts + int(above[code + LARGEST + 1])

    return starts, lambda code: int(histogram[code + LARGEST])


def _by_marking(records: list[np.ndarray], rule: Rule, edges: list[Edges], counts: list[np.ndarray]) -> Starts:
    cuts = [_anchored(len(record), rule, forced) for record, forced in zip(records, edges, strict=True)]

    def starts(code: int) -> int:
        settled = dataclasses.replace(rule, threshold=code)
        found = (mark(record, settled, START, cut)[0] for record, cut in zip(records, cuts, strict=True))
        return sum(int(np.count_nonzero(marks & count)) for marks, count in zip(found, counts, strict=True))

    return starts


def _within(edges: Edges, length: int) -> Edges:
    inside = edges.at < length
    return Edges(edges.at[inside], edges.leads[inside])


def _anchored(length: int, rule: Rule, edges: Edges) -> Edges:
    """Return `edges` and, in mode optimal, the anchors, in the frame that holds there."""
    if rule.mode != "optimal":
        return edges
    forced = Breaks(edges.at, (edges.at - edges.leads) % rule.unit)
    return edges_of(Breaks.merged(Breaks.unframed(anchors(length, rule.symmetric)), forced), 0, length, rule.unit)


def _ranges(rule: Rule) -> list[tuple[int, int]]:
    """Return thresholds that give the most and the fewest starts; the next pair is for means beyond the first."""
    if rule.mode == "greedy":
        return [(min(-1, rule.zero), (LARGEST + abs(rule.zero)) * rule.max)]  # no score lies below `zero`
    if rule.mode == "monotonic":
        return [(-LARGEST - 1, LARGEST)]
    if rule.mode == "optimal":
        usual = min(2 * LARGEST + 2 * max(rule.penalties or (0,)), FURTHEST)
        return [(-usual, usual), (-FURTHEST, FURTHEST)]
    return [(-1, LARGEST)]


def _bracket(starts: Starts, wanted: float, low: int, high: int) -> tuple[int, int]:
    """Return neighbouring codes between which the number of starts passes `wanted`; both the same at an end."""
    if starts(low) <= wanted:
        return low, low
    if starts(high) >= wanted:
        return high, high
    while high - low > 1:
        middle = (low + high) // 2
        if starts(middle) >= wanted:
            low = middle
        else:
            high = middle
    return low, high


def _why(low: int, high: int, means: dict[int, float], ties: Starts | None, rule: Rule, scale: Scale) -> str:
    if low == high:
        end = "shortest" if low < 0 else "longest"
        return f"the {end} that can be had is {means[low]:.4g}; ask for that, or change the limits"
    value = from_codes(rule.mode, high, scale)
    kind = "rises" if rule.mode == "monotonic" else "scores"
    tied = f"{ties(high)} {kind} are tied at {value:.6g}" if ties else f"{kind} are tied at {value:.6g}"
    return (
        f"{tied}, with means of {means[low]:.4g} and {means[high]:.4g} bytes on their two sides; "
        "ask for one of these, or use another mode or limits"
    )
