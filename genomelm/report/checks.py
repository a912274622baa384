"""A check holds a number against a target. What could not run is a warning, never a pass."""

import dataclasses
from collections.abc import Callable

from genomelm.report.inputs import Missing

PASS, WARN, FAIL = "pass", "warn", "fail"


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of the verdict strip. `value` is None when the check could not run; `reason` then says why."""

    group: str
    name: str
    status: str
    target: str
    value: float | None = None
    reason: str = ""


Outcome = tuple[str, float | None, str]  # status, value, reason


def check(group: str, name: str, target: str, measure: Callable[[], Outcome]) -> Check:
    """Run one check; a number that is missing makes it a warning."""
    try:
        status, value, reason = measure()
    except Missing as missing:
        status, value, reason = WARN, None, f"not run: {missing}"
    return Check(group, name, status, target, value, reason)


def at_most(value: float, limit: float, reason: str = "") -> Outcome:
    return (PASS if value <= limit else FAIL), value, reason


def at_least(value: float, limit: float, reason: str = "") -> Outcome:
    return (PASS if value >= limit else FAIL), value, reason


def above_zero(value: float, low: float, high: float, unit: str = "") -> Outcome:
    """Pass when the whole interval lies above 0, warn when it covers 0, fail when it lies below."""
    text = f"interval {low:.4g} to {high:.4g}{unit}"
    if low > 0:
        return PASS, value, text
    return (FAIL if high < 0 else WARN), value, text + (" lies under 0" if high < 0 else " covers 0")


def verdict(checks: list[Check]) -> str:
    """Return the worst status."""
    return next((status for status in (FAIL, WARN) if any(c.status == status for c in checks)), PASS)


def in_sum(checks: list[Check]) -> dict:
    """Return what a report says of its checks: verdict, counts, how many there are, how many did not run, and each."""
    return {
        "verdict": verdict(checks),
        "counts": {status: sum(c.status == status for c in checks) for status in (PASS, WARN, FAIL)},
        "total": len(checks),
        "not_run": sum(c.value is None for c in checks),
        "checks": [dataclasses.asdict(c) for c in checks],
    }
