"""Segmentation modes: which bytes start a patch, given a score for each.

g[k] is the score for starting a patch at byte k. All modes but `optimal` (optimal.py) mark positions in
one pass and carry a small state from chunk to chunk, which is why any chunking gives the same starts.
Forced starts come in as offsets, each with a lead: how many bytes of a patch of whole units would lie
before it, had its frame gone on.

How far a substitution at byte j reaches when the record is cut anew (pair.py does not): it changes scores in
(j, j + reach], reach being the source's (symmetric scores: in (j - reach, j + reach]). Starts differ

- entropy: among these positions;
- monotonic, dual_threshold: among these and the one after;
- greedy, length_constrained: from j + 1 on, with no bound: each start depends on the one before. Once both
  records start a patch at one position from j + reach on, or at a forced start there, they agree for ever;
- optimal: between two forced starts, the last one up to j + 1 (symmetric: up to j - reach + 1) and the first one
  from j + reach on; anchors are forced starts;
- fixed_stride, byte, given: nowhere.

Starts that runs force move in [j, j + 2]. An indel reaches as far behind its last byte; it shifts all
patches of a fixed stride behind it against the bases.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from genomelm.errors import NumericalError
from genomelm.patching.breaks import Breaks
from genomelm.patching.optimal import mark_optimal
from genomelm.patching.rule import Rule


@dataclass(frozen=True)
class State:
    """What a mode carries over a chunk's end.

    Attributes:
        since: bytes of the open patch, its lead included; 0 before a record's first byte.
        total: sum of the scores since the last start (greedy).
        previous: the last score.
        seen: positions before, counted up to 2 (there is no score before position 1).
    """

    since: int = 0
    total: float = 0
    previous: float = 0
    seen: int = 0


@dataclass(frozen=True)
class Edges:
    """Forced starts among n positions: offsets int64 (m,), increasing, and leads int64 (m,)."""

    at: np.ndarray
    leads: np.ndarray


def edges_of(breaks: Breaks, begin: int, end: int, unit: int) -> Edges:
    """Return the forced starts of a contig among its positions [begin, end), for patches of multiples of `unit`."""
    here = breaks.between(begin, end)
    return Edges(here.positions - begin, (here.positions - here.phases) % unit)


START = State()
NO_EDGES = Edges(np.zeros(0, np.int64), np.zeros(0, np.int64))


def mark(g: np.ndarray, rule: Rule, state: State = START, edges: Edges = NO_EDGES) -> tuple[np.ndarray, State]:
    """Mark the positions that start a patch.

    Args:
        g: (n,) scores of n consecutive positions, of any ordered dtype (optimal: integers); modes without scores
            use only its length.
        rule: the mode; its numbers in the units of `g`.
        state: what the positions before left; the default before a record's first byte, where a patch starts.
        edges: forced starts. Mode optimal cuts whole segments: positions 0 and len(g) are edges to it.

    Returns:
        bool (n,), and the state after the last position.
    """
    marks = np.empty(len(g), np.bool_)
    if len(g) == 0:
        return marks, state
    since, total = state.since, state.total
    if rule.mode == "entropy":
        np.greater(g, rule.threshold, out=marks)
    elif rule.mode in ("monotonic", "dual_threshold"):
        _rises(g, *_rise(rule), state.previous, state.seen, marks)
    elif rule.mode == "length_constrained":
        since = _limit_lengths(
            g, rule.threshold, rule.min, rule.max, rule.multiple, since, edges.at, edges.leads, marks
        )
    elif rule.mode == "greedy":
        since, total = _spend(g, rule.threshold, rule.zero, rule.max, since, total, edges.at, marks)
    elif rule.mode == "fixed_stride":
        since = _stride(len(g), rule.stride, since, edges.at, edges.leads, marks)
    elif rule.mode == "optimal":
        assert since == 0, "optimal mode cuts whole segments"
        mark_optimal(g, rule, edges.at, edges.leads, marks)
    else:
        assert rule.mode in ("byte", "given"), rule.mode
        marks[:] = rule.mode == "byte"
    marks[0] |= state.since == 0
    marks[edges.at] = True
    if rule.mode not in ("length_constrained", "greedy", "fixed_stride"):
        since = 0 if rule.mode == "optimal" else _open_bytes(marks, since)
    return marks, State(since, total, g[-1].item(), min(2, state.seen + len(g)))


def segment(g: np.ndarray, rule: Rule, edges: Edges = NO_EDGES) -> np.ndarray:
    """Return the starts int64 (p,) of one record of l bytes from its scores g (l,); g[0] is not read.

    Raises:
        NumericalError: a score is NaN.
    """
    if g.dtype.kind == "f" and np.isnan(g[1:]).any():
        raise NumericalError(
            f"score {int(np.isnan(g[1:]).argmax()) + 1} is NaN: fill missing scores in before patching"
        )
    return np.flatnonzero(mark(g, rule, START, edges)[0])


def _open_bytes(marks: np.ndarray, since: int) -> int:
    last = int(marks[::-1].argmax())
    return last + 1 if marks[len(marks) - 1 - last] else since + len(marks)


def _rise(rule: Rule) -> tuple[float, float, bool]:
    """Return the rise to exceed, the score to exceed, and whether the latter counts."""
    dual = rule.mode == "dual_threshold"
    return (rule.delta, rule.threshold, True) if dual else (rule.threshold, 0, False)


@njit(cache=True, nogil=True)
def _rises(g, delta, threshold, dual, previous, seen, marks):  # pragma: no cover
    """k >= 2 starts iff g[k] - g[k-1] > delta and, where dual, g[k] > t."""
    first = min(2 - seen, g.shape[0])
    for k in range(first):
        marks[k] = False
    for k in range(first, g.shape[0]):
        # times one: unsigned scores must not wrap around zero
        before = previous if k == 0 else 1 * g[k - 1]
        marks[k] = (1 * g[k] - before > delta) and (not dual or g[k] > threshold)


@njit(cache=True, nogil=True)
def _limit_lengths(g, threshold, least, most, multiple, since, at, leads, marks):  # pragma: no cover
    """k starts iff (g[k] > t and n >= min and n % multiple == 0) or n >= max, n the bytes of the open patch."""
    n, part, edge = since, since % multiple, 0
    forced = at[0] if at.shape[0] else -1
    for k in range(g.shape[0]):
        starts = n == 0 or n >= most or (g[k] > threshold and n >= least and part == 0)
        marks[k] = starts
        if starts:
            n, part = 0, 0
        if k == forced:
            n = part = leads[edge]
            edge += 1
            forced = at[edge] if edge < at.shape[0] else -1
        n += 1
        part = part + 1 if part + 1 < multiple else 0
    return n


@njit(cache=True, nogil=True)
def _spend(g, budget, zero, most, since, total, at, marks):  # pragma: no cover
    """k starts iff the scores since the last start sum up to the budget, or n >= max; then both begin again."""
    n, spent, edge = since, total, 0
    forced = at[0] if at.shape[0] else -1
    for k in range(g.shape[0]):
        spent += 1 * g[k] + zero
        starts = n == 0 or n >= most or spent >= budget
        if k == forced:
            starts = True
            edge += 1
            forced = at[edge] if edge < at.shape[0] else -1
        marks[k] = starts
        if starts:
            n, spent = 0, 0 * spent
        n += 1
    return n, spent


@njit(cache=True, nogil=True)
def _stride(size, stride, since, at, leads, marks):  # pragma: no cover
    """A patch starts at every stride-th byte of its frame."""
    n, edge = since % stride, 0
    forced = at[0] if at.shape[0] else -1
    for k in range(size):
        marks[k] = n == 0
        if k == forced:
            n = leads[edge]
            edge += 1
            forced = at[edge] if edge < at.shape[0] else -1
        n = n + 1 if n + 1 < stride else 0
    return n if n else stride
