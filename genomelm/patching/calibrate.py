"""Find the threshold that gives a wanted mean patch length."""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from genomelm.errors import InputError
from genomelm.patching.codes import LARGEST, Scale
from genomelm.patching.modes import Rule, mark

TOLERANCE = 0.01


def calibrate(scores: Iterable[np.ndarray], mean: float, scale: Scale, rule: Rule) -> float:
    """Return the threshold under which `rule` cuts the records into patches of `mean` bytes on average.

    Entropy mode: the exact quantile of the codes' histogram. Modes with length limits: bisection, with
    two bytes of memory a position.

    Args:
        scores: float32 (l + 1,) of each record, as a source gives them.
        mean: the wanted bytes a patch.
        scale: how scores become codes.
        rule: the mode and its limits; its threshold is not read.

    Raises:
        InputError: no threshold comes within 1 % of `mean`; the message names the ties.
    """
    if not mean >= 1:
        raise InputError(f"a mean patch of {mean} bytes is asked for: ask for 1 or more")
    records = [scale.encode(record)[:-1] for record in scores]
    records = [record for record in records if len(record)]
    bases = sum(map(len, records))
    if not bases:
        raise InputError("there are no scores to calibrate on: give a longer training region")
    histogram = np.zeros(LARGEST + 1, np.int64)
    for record in records:
        histogram += np.bincount(record[1:], minlength=LARGEST + 1)
    if rule.mode == "entropy":
        above = np.append(histogram[::-1].cumsum()[::-1], 0)

        def starts(code: int) -> int:
            return len(records) + int(above[code + 1])
    else:

        def starts(code: int) -> int:
            settled = dataclasses.replace(rule, threshold=code)
            return sum(int(mark(record, settled)[0].sum()) for record in records)

    low, high = _bracket(starts, bases / mean)
    means = {code: bases / starts(code) for code in (low, high)}
    best = min(means, key=lambda code: (abs(means[code] - mean), code))
    if abs(means[best] - mean) > TOLERANCE * mean:
        raise InputError(
            f"no threshold gives a mean patch of {mean:g} bytes within {TOLERANCE:.0%}: "
            + _why(low, high, means, histogram, scale)
        )
    return scale.lo + best * scale.step


def _bracket(starts: Callable[[int], int], wanted: float) -> tuple[int, int]:
    """Return neighbouring codes between which the number of starts passes `wanted`; both the same at an end."""
    low, high = -1, LARGEST
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


def _why(low: int, high: int, means: dict[int, float], histogram: np.ndarray, scale: Scale) -> str:
    if low == high:
        end = "shortest" if low < 0 else "longest"
        return f"the {end} that can be had is {means[low]:.4g}; ask for that, or change the limits"
    return (
        f"{histogram[high]} of {histogram.sum()} scores are tied at {scale.decode(high):.6g}, with means of "
        f"{means[low]:.4g} and {means[high]:.4g} bytes on their two sides; ask for one of these, "
        "or use another mode or limits"
    )
