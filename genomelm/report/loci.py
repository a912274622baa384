"""The section of an attributed locus: its tracks, elements and the numbers of its checks, as plain JSON."""

from pathlib import Path

import numpy as np

from genomelm.report.inputs import Part, Results, read_arrays, read_part

DRAWN = 400
TRACKS = ("ism", "gradient_x_input", "integrated_gradients")


def loci(results: Results) -> list[dict]:
    """Return one entry a folder of interpret/."""
    return [
        locus(results.root / "interpret" / name, f"interpret/{name}/", name, part)
        for name, part in results.loci.items()
    ]


def locus(folder: Path, shown: str, name: str, part: Part) -> dict:
    """Return what the page shows of one locus. Arrays hold six significant digits; at most DRAWN bases are drawn.

    Args:
        shown: what stands before the names of the folder's files in the report. part: its summary.json.
    """
    elements = read_part(folder / "elements.json", f"{shown}elements.json")
    arrays = read_arrays(folder / "attributions.npz")
    sequence = elements.optional("locus", "sequence") or part.optional("locus", "sequence") or ""
    sequence = sequence if isinstance(sequence, str) else ""
    ism = arrays.get("ism")
    usable = ism is not None and ism.ndim == 3 and ism.shape[1:] == (len(sequence), 4) and bool(np.isfinite(ism).all())
    start = first_base(ism[0], DRAWN) if usable else 0
    window = slice(start, start + DRAWN)
    reason = (
        part.reason
        or elements.reason
        or ("" if usable else f"{shown}attributions.npz is missing or does not fit the sequence")
    )
    tracks = {}
    for key in TRACKS if usable else ():
        values = arrays.get(key)
        if values is not None and values.shape == ism.shape and np.isfinite(values).all():
            tracks[key] = rounded(values[0, window])
    patches, entropy = elements.optional("patch_starts"), elements.optional("entropy_nats")
    return {
        "name": name,
        "missing": reason,
        "interval": elements.optional("locus", "interval"),
        "unit": elements.optional("locus", "unit") or "score",
        "length": len(sequence),
        "offset": start,
        "sequence": sequence[window],
        "tracks": tracks,
        "elements": [e for e in elements.optional("elements") or [] if isinstance(e, dict)],
        "patch_starts": [p for p in patches if isinstance(p, int)] if isinstance(patches, list) else [],
        "entropy_nats": rounded(np.array(entropy, dtype=float)[window]) if numbers(entropy, len(sequence)) else None,
        "summary": {k: v for k, v in (part.data or {}).items() if k not in ("provenance", "locus")},
    }


def numbers(values: object, length: int) -> bool:
    """Say whether `values` is a list of `length` numbers."""
    return isinstance(values, list) and len(values) == length and all(isinstance(v, int | float) for v in values)


def first_base(ism: np.ndarray, width: int) -> int:
    """Return the start of the `width`-base window with the most |effect|, from (l, 4)."""
    total = np.concatenate([[0.0], np.cumsum(np.abs(ism).sum(axis=-1))])
    if len(ism) <= width:
        return 0
    return int(np.argmax(total[width:] - total[:-width]))


def rounded(values: np.ndarray) -> list:
    """Return nested lists with six significant digits."""
    if values.ndim > 1:
        return [rounded(row) for row in values]
    return [float(f"{value:.6g}") for value in values]
