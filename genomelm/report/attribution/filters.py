"""The learned filters of an attribution set's first model, as filters.json tells them. They are no attribution.

Each operator becomes drawings: "map" {"lags" (k,), "rows" (channels, k)}, "poles" {"radius", "angle" (n,)}, "blocks"
{"count", "reads": query block -> key blocks} and "logo" {"matrix" (w, 4)}.
"""

from collections.abc import Iterator

import numpy as np

from genomelm.report.attribution.folder import AttributionFolder
from genomelm.report.attribution.regions import rounded

LOGOS = 16
"""Filters of a motif branch that are drawn, the largest first."""


def filters(folder: AttributionFolder) -> dict:
    """Return {"missing", "note", "operators": [{"name", "kind", "form", "drawings"}]}."""
    part = folder.part("filters.json")
    operators, note = part.optional("operators"), part.optional("note")
    found = []
    for operator in operators if isinstance(operators, list) else ():
        if isinstance(operator, dict):
            kind = str(operator.get("kind"))
            drawings = list(DRAWINGS[kind](operator)) if kind in DRAWINGS else []
            facts = {key: str(operator.get(key) or "") for key in ("name", "form")}
            found.append({"kind": kind, **facts, "drawings": drawings})
    return {"missing": part.reason, "note": note if isinstance(note, str) else "", "operators": found}


def _array(values: object, dimensions: int) -> np.ndarray | None:
    """Return nested lists as a finite array of so many dimensions; None when they are anything else."""
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found if found.ndim == dimensions and found.size and np.isfinite(found).all() else None


def _map(title: str, lags: object, rows: object) -> Iterator[dict]:
    places, values = _array(lags, 1), _array(rows, 2)
    if places is not None and values is not None and values.shape[1] == len(places):
        yield {"type": "map", "title": title, "lags": places.astype(int).tolist(), "rows": rounded(values)}


def _hyena(operator: dict) -> Iterator[dict]:
    stages = operator.get("taps")
    for number, stage in enumerate(stages if isinstance(stages, list) else (), 1):
        for side in ("behind", "ahead"):
            if isinstance(stage, dict) and side in stage:
                yield from _map(f"impulse response, stage {number}, {side}", operator.get("lags"), stage[side])


def _s5(operator: dict) -> Iterator[dict]:
    poles = operator.get("poles")
    radius, angle = (_array(poles.get(key), 1) if isinstance(poles, dict) else None for key in ("radius", "angle"))
    if radius is not None and angle is not None and radius.shape == angle.shape:
        yield {"type": "poles", "title": "poles", "radius": radius.tolist(), "angle": angle.tolist()}
    for key, title in (("kernel", "impulse response, behind"), ("kernel_ahead", "impulse response, ahead")):
        if key in operator:
            yield from _map(title, operator.get("lags"), operator[key])


def _bigbird(operator: dict) -> Iterator[dict]:
    heads, count = operator.get("reads"), operator.get("blocks")
    if not isinstance(heads, list) or not isinstance(count, int) or not 0 < count <= 200:
        return
    for number, reads in enumerate(heads[:4], 1):
        rows = reads if isinstance(reads, list) and len(reads) == count else []
        if rows and all(
            isinstance(row, list) and all(isinstance(k, int) and 0 <= k < count for k in row) for row in rows
        ):
            yield {"type": "blocks", "title": f"head {number}", "count": count, "reads": rows}


def _motif(operator: dict) -> Iterator[dict]:
    by_letter = operator.get("filters")
    if not isinstance(by_letter, dict) or set(by_letter) != set("ACGT"):
        return
    values = _array([by_letter[letter] for letter in "ACGT"], 3)  # (4, m, taps)
    if values is None:
        return
    matrices = values.transpose(1, 2, 0)
    for number in np.argsort(-np.abs(matrices).sum(axis=(1, 2)), kind="stable")[:LOGOS].tolist():
        yield {"type": "logo", "title": f"filter {number}", "matrix": rounded(matrices[number])}


DRAWINGS = {"hyena": _hyena, "s5": _s5, "bigbird": _bigbird, "motif": _motif}
