"""Known sites of a locus, and whether attribution is concentrated in them.

One promoter of l bases has l circular shifts, so its p-value cannot fall under 1/l (0.013 for 75 bases): one locus is
an illustration. A claim needs many loci, whose shifts are drawn independently and pooled.
"""

import csv
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from genomelm.errors import InputError
from genomelm.interpret.null import counter_rng
from genomelm.seq.interval import text_lines


@dataclasses.dataclass(frozen=True)
class Site:
    """A known element: offsets 0-based half-open in the locus as it is read (along its strand)."""

    name: str
    start: int
    end: int
    sequence: str
    note: str = ""


def read_sites(path: str | Path, locus: str) -> list[Site]:
    """Read a site table and hold it against the locus it is about.

    Args:
        path: tab-separated, a header line with name, start, end, sequence (and perhaps note, citation;
            others are ignored); lines that start with # are comments.
        locus: (l,) letters, read along the locus's strand.

    Raises:
        InputError: the file cannot be read, a column is missing, a number is not one, or the sequence is not what
            stands at the offsets.
    """
    path = Path(path)
    rows = table_rows(path, site_lines(path), ("name", "start", "end", "sequence"))
    return [_site(row, locus.upper(), where) for where, row in rows]


def site_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file with their numbers, without their ends, empty ones and # comments."""
    lines = ((number, line.rstrip("\r\n")) for number, line in enumerate(text_lines(path), start=1))
    return [(number, line) for number, line in lines if line.strip() and not line.startswith("#")]


def table_rows(
    path: Path, lines: Sequence[tuple[int, str]], columns: Sequence[str]
) -> list[tuple[str, dict[str, str]]]:
    """Read tab-separated lines, the first of which names columns.

    Args:
        path: their file, for messages.
        lines: with their numbers (`site_lines`).
        columns: that must be there; others may be.

    Returns:
        (place in the file, value by column) of each row.

    Raises:
        InputError: a column is missing, or a row is short.
    """
    rows = csv.reader((line for _, line in lines), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = next(rows, [])
    missing = [column for column in columns if column not in header]
    if missing:
        raise InputError(f"{path}: column {missing[0]!r} is missing; the header needs {', '.join(columns)}")
    found = []
    for (number, _), row in zip(lines[1:], rows, strict=True):
        if len(row) < len(header):
            raise InputError(f"{path}:{number}: {len(row)} columns where the header has {len(header)}; use tabs")
        found.append((f"{path}:{number}", dict(zip(header, row, strict=False))))
    return found


def _site(row: dict[str, str], locus: str, where: str) -> Site:
    try:
        start, end = int(row["start"]), int(row["end"])
    except ValueError:
        raise InputError(f"{where}: start {row['start']!r} and end {row['end']!r} must be whole numbers") from None
    sequence = row["sequence"].upper()
    if not 0 <= start < end <= len(locus):
        raise InputError(
            f"{where}: {row['name']} {start}-{end} is not inside the locus of {len(locus)} bases; "
            "offsets are 0-based half-open, counted along the locus's strand"
        )
    if locus[start:end] != sequence:
        at = locus.find(sequence)
        hint = f"the sequence stands at {at}-{at + len(sequence)}" if at >= 0 else "the sequence is not in this locus"
        raise InputError(
            f"{where}: {row['name']} says {sequence} at {start}-{end} but the locus has {locus[start:end]}; {hint}"
        )
    note = "; ".join(row[key] for key in ("note", "citation") if row.get(key))
    return Site(row["name"], start, end, sequence, note)


def mask(sites: Sequence[Site], length: int) -> np.ndarray:
    """Return (l,) bool: inside any site."""
    inside = np.zeros(length, dtype=bool)
    for site in sites:
        inside[site.start : site.end] = True
    return inside


def enrichment(loci: Sequence[tuple[np.ndarray, np.ndarray]], permutations: int = 9999, seed: int = 0) -> dict:
    """Compare importance inside sites with outside, against circular shifts of the sites.

    The statistic is the mean over loci of (mean importance inside / mean importance of the locus). One locus is
    tested with all of its shifts; several with `permutations` draws of independent shifts.

    Args:
        loci: (importance (l,), inside (l,) bool) a locus; each needs bases inside and outside, and a total above 0.

    Returns:
        {"loci", "inside_over_mean", "inside_over_outside", "null_low", "null_high" (2.5 and 97.5 % of the null),
        "p", "smallest_p" (what the null could give at best), "illustration" (smallest_p is above 0.001)}
    """
    if not loci or any(inside.all() or not inside.any() or values.sum() <= 0 for values, inside in loci):
        raise InputError("enrichment needs loci with bases inside and outside of sites and an importance above 0")
    shifted = []  # one (l,) array a locus: the statistic at each circular shift, shift 0 first
    for values, inside in loci:
        overlap = np.fft.ifft(np.fft.fft(values) * np.conj(np.fft.fft(inside.astype(np.float64)))).real
        shifted.append(overlap / inside.sum() / values.mean())
    observed = float(np.mean([scores[0] for scores in shifted]))
    if len(loci) == 1:
        null = shifted[0][1:]
    else:
        rng = counter_rng(seed)
        null = np.mean([scores[rng.integers(len(scores), size=permutations)] for scores in shifted], axis=0)
    shifts = math.prod(len(scores) for scores in shifted)
    smallest = 1.0 / min(1 + len(null), shifts)
    ratios = [values[inside].mean() / max(values[~inside].mean(), 1e-300) for values, inside in loci]
    return {
        "loci": len(loci),
        "inside_over_mean": observed,
        "inside_over_outside": float(np.mean(ratios)),
        "null_low": float(np.quantile(null, 0.025)),
        "null_high": float(np.quantile(null, 0.975)),
        "p": max(smallest, float((1 + np.sum(null >= observed - 1e-12)) / (1 + len(null)))),
        "smallest_p": smallest,
        "illustration": smallest > 0.001,
    }


def auroc(values: np.ndarray, inside: np.ndarray) -> float:
    """Return the chance that a base inside outranks one outside (ties count half), from (l,) and (l,) bool."""
    positive, negative = int(inside.sum()), int((~inside).sum())
    return float((rankdata(values)[inside].sum() - positive * (positive + 1) / 2) / (positive * negative))


def auprc(values: np.ndarray, inside: np.ndarray) -> float:
    """Return the average precision of ranking bases by value; equal values enter together."""
    thresholds, first = np.unique(-values, return_inverse=True)
    hits = np.cumsum(np.bincount(first, weights=inside, minlength=len(thresholds)))
    taken = np.cumsum(np.bincount(first, minlength=len(thresholds)))
    gained = np.diff(hits, prepend=0.0)
    return float(np.sum(gained * hits / taken) / inside.sum())


def per_site(sites: Sequence[Site], values: np.ndarray) -> list[dict]:
    """Return one row a site: mean importance, its ratio to the bases outside all sites, and the share of equally wide
    windows of the locus (every start) with a lower mean."""
    outside = values[~mask(sites, len(values))]
    rows = []
    for site in sites:
        width = site.end - site.start
        windows = np.convolve(values, np.ones(width) / width, mode="valid")
        mean = float(values[site.start : site.end].mean())
        rows.append(
            {
                "name": site.name,
                "start": site.start,
                "end": site.end,
                "sequence": site.sequence,
                "note": site.note,
                "mean_importance": mean,
                "over_outside": mean / float(outside.mean()) if outside.size and outside.mean() > 0 else None,
                "window_percentile": 100.0 * float(np.mean(windows < mean - 1e-12)),
            }
        )
    return rows
