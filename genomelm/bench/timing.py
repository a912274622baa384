"""Timing of a function: one uncounted call, then the median of several."""

import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

REPEATS = 5


def timed(function: Callable[[], Any], repeats: int = REPEATS) -> tuple[Any, list[float]]:
    """Return what `function` returns and the seconds of `repeats` calls, after a first one that is not counted."""
    result = function()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - begin)
    return result, seconds


def row(name: str, count: int, seconds: list[float], target: float | None = None, **facts: object) -> dict:
    """Return one line of a table of speeds.

    Args:
        name: what was timed.
        count: positions (bases, bytes) that one call handles.
        seconds: of each call.
        target: positions a second to reach.
        facts: what else is known, such as peak memory.
    """
    median = statistics.median(seconds)
    speed = {"name": name, "positions": count, "median_s": median, "range_s": [min(seconds), max(seconds)]}
    speed |= {"positions_per_s": count / median, "timings": len(seconds), "target_per_s": target, **facts}
    return speed


def peak_bytes(function: Callable[[], Any]) -> int:
    """Return the most memory that Python and numpy held during a call beyond what they held before, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
