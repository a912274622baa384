"""The variants of an attribution set: a table of all, and both alleles' contributions around each one drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from genomelm.report.attribution.folder import AttributionFolder, real, whole
from genomelm.report.attribution.regions import letters, rounded
from genomelm.report.inputs import read_table

LISTED = 2000
FLANK = 30
"""Bases that are drawn on either side of a variant."""
Key = tuple[str, str, str, str]  # contig, pos, ref, alt, as the tables write them


def variants(folder: AttributionFolder, tables: Sequence[Path]) -> dict:
    """Return {"total", "listed": rows by |score|, "drawn": [alleles of each listed row, or None], "missing"}.

    The arrays hold the variants that have an id, in the order of the table.

    Args:
        tables: of scores, whose percentiles against a background stand in where variants.tsv has none.
    """
    rows = folder.rows("variants.tsv", "id", "contig", "pos", "ref", "alt")
    arrays = folder.npz("variants.npz")
    explained = [i for i, row in enumerate(rows) if row["id"] not in ("", ".")]
    fits = _fit(arrays, len(explained))
    places = dict(zip(explained, range(len(explained)), strict=True)) if fits else {}
    order = sorted(range(len(rows)), key=lambda i: (-abs(real(rows[i].get("score")) or 0.0), i))[:LISTED]
    percentiles = percentiles_of(tables, {key_of(rows[i]) for i in order if "percentile" not in rows[i]})
    listed = [_row(rows[i], percentiles) for i in order]
    drawn = [alleles(arrays, places[i]) if i in places else None for i in order]
    reason = "" if fits or not explained else f"{folder.shown}variants.npz is missing or does not fit variants.tsv"
    return {"total": len(rows), "listed": listed, "drawn": drawn, "missing": reason}


def _row(row: dict[str, str], percentiles: Mapping[Key, float]) -> dict:
    percentile = real(row.get("percentile"))
    if percentile is None:
        percentile = percentiles.get(key_of(row))
    return {
        "id": row["id"],
        "contig": row["contig"],
        "pos": whole(row["pos"]),
        "ref": row["ref"],
        "alt": row["alt"],
        "status": row.get("status", ""),
        "score": real(row.get("score")),
        "percentile": percentile,
        "gained": _names(row.get("gained")),
        "lost": _names(row.get("lost")),
    }


def key_of(row: dict[str, str]) -> Key:
    """Return what names a row's variant in every table."""
    return row["contig"], row["pos"], row["ref"], row["alt"]


def _names(text: str | None) -> str:
    return "" if text in (None, ".") else text.replace(",", ", ")


def _fit(arrays: dict[str, np.ndarray], count: int) -> bool:
    """Say whether the maps, bases (V, l, 4) and places (V,) of `count` variants are there."""
    shape = arrays["ref_ism"].shape if "ref_ism" in arrays else ()
    if len(shape) != 3 or shape[0] != count or shape[1] < 1 or shape[2] != 4:
        return False
    return all(
        key in arrays and arrays[key].shape == shape for key in ("alt_ism", "ref_one_hot", "alt_one_hot")
    ) and all(
        key in arrays and arrays[key].shape == (count,) and arrays[key].dtype.kind in "iu"
        for key in ("offset", "ref_length", "alt_length")
    )


def alleles(arrays: dict[str, np.ndarray], index: int) -> dict:
    """Return both alleles around a variant, each by its own ISM as signed support; '-' fills the shorter allele.

    Returns:
        {"offset" of the window, "at": first column of the variant, "columns" of it, "ref_sequence", "alt_sequence"
        (w letters), "ref", "alt" (w,)}: numbers of both alleles are rounded together.
    """
    length = arrays["ref_ism"].shape[1]
    at = int(np.clip(arrays["offset"][index], 0, length - 1))
    sizes = [int(np.clip(arrays[f"{key}_length"][index], 0, length - at)) for key in ("ref", "alt")]
    columns = max(sizes)
    start = max(at - FLANK, 0)
    window = slice(start, at + min(columns, 2 * FLANK) + FLANK)
    texts, heights = [], []
    for key, size in zip(("ref", "alt"), sizes, strict=True):
        bases, values = letters(arrays[f"{key}_one_hot"][index]), -arrays[f"{key}_ism"][index].sum(axis=-1) / 3
        gap = columns - size
        texts.append((bases[: at + size] + "-" * gap + bases[at + size :])[:length])
        heights.append(np.insert(values, at + size, np.zeros(gap))[:length])
    both = rounded(np.stack(heights)[:, window])
    return {
        "offset": start,
        "at": at - start,
        "columns": min(columns, 2 * FLANK),
        "ref_sequence": texts[0][window],
        "alt_sequence": texts[1][window],
        "ref": both[0],
        "alt": both[1],
    }


def percentiles_of(tables: Sequence[Path], wanted: set[Key]) -> dict[Key, float]:
    """Return the percentiles that score tables have of the wanted contig, position, reference and alternate."""
    found: dict[Key, float] = {}
    for path in tables if wanted else ():
        for row in read_table(path):
            if "percentile" not in row:
                break
            key = tuple(str(row.get(column)) for column in ("contig", "pos", "ref", "alt"))
            value = real(row["percentile"]) if key in wanted else None
            if value is not None:
                found[key] = value
    return found
