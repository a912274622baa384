"""The regions of an attribution set: a table of all, and the tracks of those that are drawn."""

import numpy as np

from genomelm.report.attribution.folder import AttributionFolder, whole
from genomelm.report.loci import first_base

DRAWN_REGIONS = 200
DRAWN_BASES = 400
LISTED = 2000
DIGITS = 4  # a number is kept to 1/10,000 of the largest of its track and region
GRADIENTS = ("gradient_x_input", "integrated_gradients")
ANNOTATIONS = {"sites": "known_sites.tsv", "hits": "hits.tsv"}


def regions(folder: AttributionFolder) -> dict:
    """Return {"total", "listed": rows, "drawn": [tracks of a region], "missing"}.

    At most LISTED regions are listed; of those, at most DRAWN_REGIONS are drawn, those with the largest effects, in
    the order of the table, and of each at most DRAWN_BASES bases, those with the most effect.
    """
    rows = folder.rows("regions.tsv", "id")
    marks = {kind: annotations(folder, file) for kind, file in ANNOTATIONS.items()}
    seqlets = count(folder.rows("seqlets.tsv", "region"), "region")
    ism = folder.arrays.get("ism")
    fits = ism is not None and ism.ndim == 3 and len(ism) == len(rows)
    listed = []
    for i, row in enumerate(rows[:LISTED]):
        mark = {kind: len(found.get(row["id"], ())) for kind, found in marks.items()}
        listed.append(
            {
                "id": row["id"],
                "name": row.get("name", ""),
                "contig": row.get("contig", ""),
                "start": whole(row.get("start")),
                "end": whole(row.get("end")),
                "strand": row.get("strand", ""),
                "largest": largest(ism[i]) if fits else None,
                "seqlets": seqlets.get(row["id"], 0),
                **mark,
            }
        )
    drawn = []
    if fits:
        strength = np.abs(ism[: len(listed)]).max(axis=(1, 2))
        chosen = np.sort(np.argsort(-strength, kind="stable")[:DRAWN_REGIONS])
        drawn = [
            region(folder, int(i), rows[i]["id"], {k: v.get(rows[i]["id"], []) for k, v in marks.items()})
            for i in chosen
        ]
    reason = "" if fits else f"{folder.shown}regions.tsv and attributions.npz are missing or do not fit each other"
    return {"total": len(rows), "listed": listed, "drawn": drawn, "missing": reason}


def region(folder: AttributionFolder, index: int, name: str, marks: dict[str, list[dict]]) -> dict:
    """Return the tracks of one region, over the window that is drawn.

    Returns:
        {"id", "length", "offset" of the window's first base, "sequence" (w letters), "ism" (w, 4), "logos": {track:
        (w,) signed heights}, "deletion" (w,) or None, "entropy" (w,) or None, "attention": {layer: (w,)},
        "patch_starts": offsets in the window, "sites" and "hits": [{"start", "end", "name", "strand"}]}
    """
    arrays, tracks = folder.arrays, folder.tracks
    ism = arrays["ism"][index]
    offset = first_base(ism, DRAWN_BASES)
    window = slice(offset, offset + DRAWN_BASES)
    starts = tracks.get("patch_starts")
    return {
        "id": name,
        "length": len(ism),
        "offset": offset,
        "sequence": letters(arrays["one_hot"][index, window]),
        "ism": rounded(ism[window]),
        "logos": {
            key: rounded(arrays[key][index, window].sum(axis=-1))
            for key in GRADIENTS
            if key in arrays and arrays[key].ndim == 3
        },
        "deletion": one(arrays.get("deletion"), index, window),
        "entropy": one(tracks.get("entropy"), index, window),
        "attention": {
            key.removeprefix("attention_"): one(tracks[key], index, window)
            for key in sorted(tracks)
            if key.startswith("attention_")
        },
        "patch_starts": [] if starts is None else np.flatnonzero(starts[index, window]).tolist(),
        **{
            kind: [
                mark | {"start": max(mark["start"] - offset, 0), "end": min(mark["end"] - offset, DRAWN_BASES)}
                for mark in found
                if mark["end"] > offset and mark["start"] < offset + DRAWN_BASES
            ]
            for kind, found in marks.items()
        },
    }


def letters(one_hot: np.ndarray) -> str:
    """Return (w, 4) rows as letters; a row that is not one base is N."""
    columns = np.where(one_hot.max(axis=-1) == 1, one_hot.argmax(axis=-1), 4)
    return "".join("ACGTN"[column] for column in columns)


def one(track: np.ndarray | None, index: int, window: slice) -> list[float] | None:
    """Return one region's window of an (N, l) track; None where there is none or it is not finite."""
    if track is None or track.ndim != 2 or not np.isfinite(track[index, window]).all():
        return None
    return rounded(track[index, window])


def rounded(values: np.ndarray) -> list:
    """Return nested lists, each number to 1/10,000 of the largest; what is not finite becomes 0."""
    values = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(np.abs(values).max(initial=0.0))
    if top < 1e-290:
        return np.zeros(values.shape, dtype=int).tolist()
    places = DIGITS - 1 - int(np.floor(np.log10(top)))
    return (np.round(values, places) + 0.0).tolist()


def largest(ism: np.ndarray) -> float | None:
    """Return the effect with the largest size, either sign, to six digits, from (l, 4)."""
    value = float(ism.flat[int(np.abs(ism).argmax())])
    return float(f"{value:.6g}") if np.isfinite(value) else None


def annotations(folder: AttributionFolder, file: str) -> dict[str, list[dict]]:
    """Return region id -> places of a table of places in regions."""
    found: dict[str, list[dict]] = {}
    for row in folder.rows(file, "region", "start", "end"):
        mark = place(row)
        if mark is not None:
            found.setdefault(row["region"], []).append(mark)
    return found


def place(row: dict[str, str]) -> dict | None:
    """Return a row's {"start", "end", "name", "strand"}, offsets in its region; None where it has no such place."""
    start, end = whole(row["start"]), whole(row["end"])
    if start is None or end is None or not 0 <= start < end:
        return None
    return {
        "start": start,
        "end": end,
        "name": row.get("motif") or row.get("name") or "",
        "strand": row.get("strand", ""),
    }


def count(rows: list[dict[str, str]], column: str) -> dict[str, int]:
    """Return how many rows have each value of a column."""
    found: dict[str, int] = {}
    for row in rows:
        found[row[column]] = found.get(row[column], 0) + 1
    return found
