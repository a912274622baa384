"""How an attribution set stands beside its nulls: deletion and insertion curves, scores of shuffles, the signal."""

import numpy as np
from markupsafe import Markup

from genomelm.report import charts
from genomelm.report.attribution.folder import AttributionFolder
from genomelm.report.values import finite

KINDS = {"deletion": "bases replaced", "insertion": "bases restored"}
ORDERS = {"ordered": "by attribution", "random": "random order", "gc_matched": "GC-matched order"}


def curves(folder: AttributionFolder) -> dict[str, dict]:
    """Return {"deletion", "insertion": {"positions", "ordered", "random", "gc_matched"}}, what of them there is."""
    found = {}
    for kind in KINDS:
        entry = folder.summary.mapping("checks", kind)
        positions = _numbers(entry.get("positions"))
        orders = {key: _numbers(entry.get(key)) for key in ORDERS}
        orders = {key: values for key, values in orders.items() if values and len(values) == len(positions)}
        if "ordered" in orders:
            found[kind] = {"positions": positions, **orders}
    return found


def shuffled(folder: AttributionFolder, bins: int = 30) -> dict | None:
    """Return the scores of dinucleotide shuffles as {"n", "edges", "counts", "real_mean"}, or None."""
    entry = folder.summary.mapping("checks", "shuffled_sequence")
    scores = _numbers(entry.get("shuffled"))
    if not scores or min(scores) == max(scores):
        return None
    counts, edges = np.histogram(scores, bins=bins)
    rounded = [float(f"{edge:.6g}") for edge in edges]
    return {"n": len(scores), "edges": rounded, "counts": counts.tolist(), "real_mean": finite(entry.get("real_mean"))}


def arms(folder: AttributionFolder) -> list[dict]:
    """Return the tests that the signal's p-value is the largest of: name, statistic, range over null models, p."""
    found = folder.summary.mapping("checks", "signal").get("arms")
    rows = []
    for arm in found if isinstance(found, list) else ():
        if isinstance(arm, dict) and isinstance(arm.get("name"), str):
            null = _numbers(list(arm["null"].values()) if isinstance(arm.get("null"), dict) else [])
            own = {key: finite(arm.get(key)) for key in ("statistic", "p")}
            ends = {"lowest_null": min(null, default=None), "highest_null": max(null, default=None)}
            rows.append({"test": arm["name"], **own, **ends})
    return rows


def draw(entry: dict) -> list[Markup]:
    """Draw the curves and the scores of shuffles of one set, from its JSON."""
    found = entry["curves"]
    drawn = [
        charts.lines(
            [
                (name, list(zip(entry["positions"], entry[key], strict=True)))
                for key, name in ORDERS.items()
                if key in entry
            ],
            f"{kind} curve",
            KINDS[kind],
            "",
        )
        for kind, entry in found.items()
    ]
    null = entry["shuffled"]
    if null:
        mark = ("mean of the regions", null["real_mean"]) if null["real_mean"] is not None else None
        title = "Scores of dinucleotide shuffles of the regions"
        drawn.append(charts.histogram(null["edges"], null["counts"], title, entry["unit"], mark))
    return [chart for chart in drawn if chart]


def _numbers(values: object) -> list[float]:
    """Return a list of finite numbers; empty when it is anything else."""
    good = isinstance(values, list) and all(finite(value) is not None for value in values)
    return values if good else []
