"""The optimal mode: the starts of most credit under limits of length, by dynamic programming.

Maximises the sum over starts k > 0 of (g[k] - price) minus the penalties of the patches' lengths. Ties go
to the fewest starts, then to the lexicographically smallest list. Value and number of starts are one
integer (value times a power of two, minus starts), so that a comparison settles both. Where lengths
cost nothing the best next start is a sliding maximum (a monotone deque): linear time whatever the limits.
"""

import itertools

import numpy as np
from numba import njit

from genomelm.errors import UsageError
from genomelm.patching.rule import Rule

ANCHOR = 1 << 16
"""A contig is cut at multiples of so many bytes, so that any chunking has the same optimum in bounded memory."""


def anchors(length: int, symmetric: bool = False) -> np.ndarray:
    """Return the positions int64 (m,) inside a contig of `length` bytes at which it is cut; both ends' if symmetric."""
    grid = np.arange(ANCHOR, length, ANCHOR)
    return np.union1d(grid, length - grid) if symmetric else grid


def mark_optimal(g: np.ndarray, rule: Rule, at: np.ndarray, leads: np.ndarray, marks: np.ndarray) -> None:
    """Fill `marks` bool (n,) from integer scores g (n,), one optimum between each two of 0, at (m,), and n.

    Raises:
        UsageError: price and penalties are too large for exact sums.
    """
    assert g.dtype.kind in "iu", "the optimum is found on codes: encode the scores first"
    marks[:] = False
    costs = np.array(rule.penalties or (), np.int64)
    bounds = np.unique(np.concatenate([[0], at, [len(g)]]))
    first_leads = np.zeros(len(bounds) - 1, np.int64)
    first_leads[np.searchsorted(bounds, at[at < len(g)])] = leads[at < len(g)]
    longest = int(np.diff(bounds).max(initial=0))
    shift = longest.bit_length()
    largest = (abs(rule.threshold) + 65536 + int(costs.max(initial=0))) * (longest + 1)
    if largest.bit_length() + shift >= 62:
        raise UsageError(
            f"a price of {rule.threshold} and penalties up to {costs.max(initial=0)} codes are too large to be summed "
            f"up over {longest} positions: lower the threshold or alpha"
        )
    if rule.symmetric:
        for start, end in itertools.pairwise(bounds.tolist()):
            _mark_symmetric(g[start:end], rule, costs, shift, marks[start:end])
    else:
        _mark_segments(g, rule.threshold, rule.min, rule.max, rule.multiple, costs, bounds, first_leads, shift, marks)


def value_of(g: np.ndarray, rule: Rule, starts: np.ndarray) -> int:
    """Return the value of starts (p,) of one segment with integer scores g (l,): what the optimum maximises."""
    credit = int((g[starts[1:]].astype(np.int64) - int(rule.threshold)).sum())
    if rule.penalties is None:
        return credit
    return credit - int(np.array(rule.penalties)[np.diff(starts, append=len(g))].sum())


def _mark_symmetric(g: np.ndarray, rule: Rule, costs: np.ndarray, shift: int, marks: np.ndarray) -> None:
    """Mark one segment such that the segment read backwards is marked in mirror image.

    Of the segment and its mirror the one whose scores come first in order is cut; of a segment that is its
    own mirror, the best of the cuts that are their own mirrors is taken. A first patch may be as short as a last one,
    and a middle one too where nothing else mirrors.
    """
    inside = g[1:].astype(np.int64)
    differs = np.flatnonzero(inside != inside[::-1])
    limits = (rule.threshold, rule.min, rule.max)
    if len(differs) == 0:
        _mark_palindrome(g, *limits, costs, shift, marks)
        return
    marks[0] = True
    backwards = inside[::-1][differs[0]] < inside[differs[0]]
    read = np.concatenate([g[:1], inside[::-1].astype(g.dtype)]) if backwards else g
    found = np.zeros(len(g), np.bool_)
    # As if min - 1 bytes of the first patch lay before the segment, which waives its least length, not its most.
    _mark_free_start(read, *limits, costs, shift, found)
    marks[1:] = found[1:][::-1] if backwards else found[1:]


@njit(cache=True, nogil=True)
def _mark_segments(g, price, least, most, multiple, costs, bounds, leads, shift, marks):  # pragma: no cover
    longest = 0
    for s in range(bounds.shape[0] - 1):
        longest = max(longest, bounds[s + 1] - bounds[s])
    credit, following = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    queue = np.empty(longest + 1, np.int64)
    for s in range(bounds.shape[0] - 1):
        start, size, lead = bounds[s], bounds[s + 1] - bounds[s], leads[s]
        marks[start] = True
        # Positions of the segment's frame, q = 0, 1, ...: first + q * multiple.
        first = (multiple - lead) % multiple
        near, far = (least + multiple - 1) // multiple, most // multiple
        _best_after(g[start:], size, price, near, far, first, multiple, most, costs, shift, credit, following, queue)
        place = first
        if lead > 0:
            # The first patch goes on from before the segment: it may be shorter by what lies there.
            q = _best_first(size, lead, least, most, first, multiple, costs, shift, credit)
            if q < 0:
                continue
            place = first + q * multiple
            marks[start + place] = True
        while following[(place - first) // multiple] >= 0:
            place = first + following[(place - first) // multiple] * multiple
            marks[start + place] = True


@njit(cache=True, nogil=True)
def _mark_free_start(g, price, least, most, costs, shift, marks):  # pragma: no cover
    size = g.shape[0]
    credit, following = np.empty(size + 1, np.int64), np.empty(size + 1, np.int64)
    _best_after(g, size, price, least, most, 0, 1, most, costs, shift, credit, following, np.empty(size + 1, np.int64))
    marks[0] = True
    place = _best_first(size, 0, 1, most, 0, 1, costs, shift, credit)
    while place > 0:
        marks[place] = True
        place = following[place]


@njit(cache=True, nogil=True)
def _best_after(
    g, size, price, near, far, first, multiple, most, costs, shift, credit, following, queue
):  # pragma: no cover
    """Fill, for each frame position q, the best next start (`following`, -1 for the end) and its own credit.

    credit[q] is the key (value << shift) - starts of starting a patch at q and going on as well as can be.
    """
    positions = max(0, (size - first + multiple - 1) // multiple)
    head, tail = 0, 0  # queue[head:tail]: candidates by falling credit, the farthest first
    for q in range(positions - 1, -1, -1):
        place = first + q * multiple
        best, chosen = np.int64(-(1 << 62)), np.int64(-1)
        if size - place <= most:  # the segment's last patch may be short
            best = np.int64(0) if costs.shape[0] == 0 else -(costs[size - place] << shift)
        if costs.shape[0] == 0:
            new = q + near
            if new < positions:
                while tail > head and credit[queue[tail - 1]] <= credit[new]:
                    tail -= 1
                queue[tail] = new
                tail += 1
            while tail > head and queue[head] > q + far:
                head += 1
            if tail > head and credit[queue[head]] > best:
                best, chosen = credit[queue[head]], queue[head]
        else:
            last = min(q + far, positions - 1)
            top = np.int64(-(1 << 62))
            for other in range(q + near, last + 1):
                top = max(top, credit[other] - (costs[(other - q) * multiple] << shift))
            if top > best:
                best = top
                chosen = q + near
                while credit[chosen] - (costs[(chosen - q) * multiple] << shift) != top:
                    chosen += 1
        following[q] = chosen
        credit[q] = best + ((np.int64(g[place]) - price) << shift) - 1


@njit(cache=True, nogil=True)
def _best_first(size, lead, least, most, first, multiple, costs, shift, credit):  # pragma: no cover
    """Return the frame position q of the best first start after a segment's own, or -1 for none."""
    best, chosen = np.int64(-(1 << 62)), -1
    if size + lead <= most:
        best = np.int64(0) if costs.shape[0] == 0 else -(costs[size] << shift)
    q = 0 if first > 0 else 1
    while first + q * multiple < size and first + q * multiple + lead <= most:
        place = first + q * multiple
        if place + lead >= least:
            key = credit[q] - (0 if costs.shape[0] == 0 else costs[place] << shift)
            if key > best:
                best, chosen = key, q
        q += 1
    return chosen


@njit(cache=True, nogil=True)
def _mark_palindrome(g, price, least, most, costs, shift, marks):  # pragma: no cover
    """Mark a segment whose scores read the same backwards by the best cut that does so too."""
    size = g.shape[0]
    credit, following = np.empty(size + 1, np.int64), np.empty(size + 1, np.int64)
    _best_after(g, size, price, least, most, 0, 1, most, costs, shift, credit, following, np.empty(size + 1, np.int64))
    for k in range(size):
        marks[k] = k == 0
    best, chosen = np.int64(-(1 << 62)), -1
    if size <= most:
        best, chosen = (np.int64(0) if costs.shape[0] == 0 else -(costs[size] << shift)), size
    half = size // 2
    if size % 2 == 0 and half > 0:
        # a start in the middle: both halves' credit, the start itself counted once
        key = 2 * credit[half] - ((np.int64(g[half]) - price) << shift) + 1
        if key > best:
            best, chosen = key, half
    for shortest in (least, 1):  # a middle patch below the least length only where nothing else mirrors
        for place in range(half + 1, size):  # the middle patch reaches from size - place to place
            middle = 2 * place - size
            if shortest <= middle <= most:
                key = 2 * credit[place] - (0 if costs.shape[0] == 0 else costs[middle] << shift)
                if key > best:
                    best, chosen = key, place
        if chosen >= 0:
            break
    while 0 < chosen < size:
        marks[chosen] = True
        marks[size - chosen] = True
        chosen = following[chosen]
