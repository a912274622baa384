"""Numbers of the files read as rows of plain JSON."""

import math

from genomelm.report.inputs import Missing, Part


def finite(value: object) -> float | None:
    """Return a finite number, or None for anything else."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if good else None


def interval_row(name: str, part: Part, *keys: str, note: str = "") -> dict | None:
    """Return {"name", "value", "low", "high", "note"}: bounds None for a plain number, the row None when missing."""
    try:
        if isinstance(part.get(*keys), dict):
            row = {"name": name, "value": part.number(*keys, "value"), "note": note}
            return row | {bound: finite(part.optional(*keys, bound)) for bound in ("low", "high")}
        return {"name": name, "value": part.number(*keys), "low": None, "high": None, "note": note}
    except Missing:
        return None
