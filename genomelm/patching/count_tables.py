"""Counts of (k+1)-mers and the tables blended from them: the compiled loops under `count_model`.

A context of m letters is the number that its letters spell in base a (the alphabet's size), the
newest letter last. Tables of all orders lie in one array: order m begins at `first_row(m)`.
"""

import numpy as np
from numba import njit

BREAK = 255


def first_row(order: int, letters: int) -> int:
    """Return where the contexts of `order` begin: a^0 + ... + a^(order-1)."""
    return sum(letters**m for m in range(order))


@njit(cache=True, nogil=True)
def count(codes, order, letters, counts):  # pragma: no cover
    """Add every run of order + 1 letters in `codes` uint8 (l,) to `counts` (a^order * a,)."""
    rows = letters**order
    context, known = 0, 0
    for code in codes:
        if code == BREAK:
            context, known = 0, 0
            continue
        if known == order:
            counts[context * letters + code] += 1
        context = (context * letters + code) % rows
        known = min(known + 1, order)


@njit(cache=True, nogil=True)
def add_reverse_complement(counts, order):  # pragma: no cover
    """Return `counts` of DNA (4^order * 4,) plus the counts of the other strand."""
    both = counts.copy()
    for word in range(counts.shape[0]):
        if counts[word] > 0:
            rest, other = word, 0
            for _ in range(order + 1):
                other = other * 4 + 3 - rest % 4
                rest //= 4
            both[other] += counts[word]
    return both


@njit(cache=True, nogil=True)
def fit_in_16_bits(counts):  # pragma: no cover
    """Return `counts` (c, a) as uint16; a row whose largest count is too big is halved until it fits."""
    out = np.empty(counts.shape, np.uint16)
    for row in range(counts.shape[0]):
        shift = 0
        while (counts[row].max() >> shift) > 65535:
            shift += 1
        for letter in range(counts.shape[1]):
            out[row, letter] = counts[row, letter] >> shift
    return out


@njit(cache=True, nogil=True)
def forget_oldest(counts):  # pragma: no cover
    """Return the counts (c / a, a) of contexts one letter shorter than those of `counts` (c, a)."""
    letters = counts.shape[1]
    rows = counts.shape[0] // letters
    out = np.zeros((rows, letters), np.uint32)
    for oldest in range(letters):
        for row in range(rows):
            for letter in range(letters):
                out[row, letter] += counts[oldest * rows + row, letter]
    return out


@njit(cache=True, nogil=True)
def left_out_loss(counts, shorter, grid, step):  # pragma: no cover
    """Return the loss in nats of leaving each counted letter out, for each concentration in `grid`.

    Args:
        counts: (c, a) counts of one order.
        shorter: float32 (c / a, a) probabilities of the order below.
        grid: float64 (n,) concentrations to try.
        step: every `step`-th context is looked at.

    Returns:
        float64 (n, a + 1), by the number of distinct letters left in the row.
    """
    letters = counts.shape[1]
    loss = np.zeros((grid.shape[0], letters + 1))
    for row in range(0, counts.shape[0], step):
        total, distinct = 0, 0
        for letter in range(letters):
            total += counts[row, letter]
            distinct += counts[row, letter] > 0
        for letter in range(letters):
            seen = np.int64(counts[row, letter])
            if seen > 0 and total > 1:
                left = distinct - (seen == 1)
                below = shorter[row % shorter.shape[0], letter]
                for i in range(grid.shape[0]):
                    loss[i, left] -= seen * np.log((seen - 1 + grid[i] * below) / (total - 1 + grid[i]))
    return loss


@njit(cache=True, nogil=True)
def blend(counts, shorter, concentrations, probabilities):  # pragma: no cover
    """Fill `probabilities` float32 (c, a): p_k = (n_k + s p_(k-1)) / (N_k + s), s by distinct letters seen."""
    letters = counts.shape[1]
    rows = shorter.shape[0]
    for first in range(0, counts.shape[0], rows):
        for below in range(rows):
            row = first + below
            total, distinct = 0, 0
            for letter in range(letters):
                total += counts[row, letter]
                distinct += counts[row, letter] > 0
            weight = concentrations[distinct]
            for letter in range(letters):
                p = shorter[below, letter]
                probabilities[row, letter] = p if total == 0 else (counts[row, letter] + weight * p) / (total + weight)


@njit(cache=True, nogil=True)
def entropy(counts, probabilities, shorter, out):  # pragma: no cover
    """Fill `out` float32 (c,) with the entropy in nats of each row of `probabilities` (c, a).

    A context that was never seen predicts as the one a letter shorter does: its entropy is copied from
    `shorter` float32 (c / a,).
    """
    rows = shorter.shape[0]
    for first in range(0, counts.shape[0], rows):
        for below in range(rows):
            row = first + below
            total, seen = 0.0, False
            for letter in range(counts.shape[1]):
                seen |= counts[row, letter] > 0
            if not seen:
                out[row] = shorter[below]
                continue
            for letter in range(counts.shape[1]):
                p = np.float64(probabilities[row, letter])
                total -= p * np.log(p)
            out[row] = total


@njit(cache=True, nogil=True)
def rows_before(codes, order, letters, out):  # pragma: no cover
    """Fill `out` int64 (l + 1,) with the table row of the context before each position, and after the last."""
    rows = letters**order
    context, known, first = 0, 0, 0
    out[0] = 0
    for i in range(codes.shape[0]):
        code = codes[i]
        if code == BREAK:
            context, known, first = 0, 0, 0
        else:
            context = (context * letters + code) % rows
            if known < order:
                first = first * letters + 1
                known += 1
        out[i + 1] = first + context
