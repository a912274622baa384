"""The motif lexicon of an attribution set: matrices, counts, matches, places and marginal effects."""

import re
from pathlib import Path

import numpy as np

from genomelm.interpret.motif_null import LARGEST_P
from genomelm.interpret.pwm import UNIFORM
from genomelm.report.attribution import verdicts
from genomelm.report.attribution.folder import AttributionFolder, real, whole
from genomelm.report.attribution.regions import rounded
from genomelm.report.sections import flat_numbers

SHOWN = 100
LARGEST_Q = 0.05
"""A match whose q is larger is not significant: neither its name nor its numbers are shown."""
_FREQUENCIES = re.compile(r"^Background letter frequencies.*\nA +(0\.\d+) C +(0\.\d+) G +(0\.\d+) T +(0\.\d+)", re.M)
LINKED = 12
"""Regions that a motif links to."""


def lexicon(folder: AttributionFolder) -> dict:
    """Return {"total", "motifs": [one entry a motif], "facts": summary.json's numbers about the motifs,
    "regions_left_out": a sentence, "background": shares of A C G T}."""
    rows = folder.rows("motifs.tsv", "motif")
    arrays = folder.npz("motifs.npz")
    matches, marginal = _by_motif(folder, "matches.tsv"), _by_motif(folder, "marginal.tsv")
    seqlets = _by_motif(folder, "seqlets.tsv")
    motifs = []
    for i, row in enumerate(rows[:SHOWN], 1):
        name = row["motif"]
        places = list(dict.fromkeys(seqlet["region"] for seqlet in seqlets.get(name, ()) if "region" in seqlet))
        motifs.append(
            {
                "name": name,
                "real": row.get("real") != "no",
                "failed": _failed(row),
                "ppm": matrix(arrays.get(f"ppm_{i}")),
                "cwm": matrix(arrays.get(f"cwm_{i}")),
                "facts": {
                    key: _value(value)
                    for key, value in row.items()
                    if key not in ("motif", "real") and value not in ("", ".")
                },
                "match": best_match(matches.get(name, [])),
                "matches_tried": len(matches.get(name, [])),
                "regions": places[:LINKED],
                "regions_total": len(places),
                "marginal": [
                    {key: _value(value) for key, value in effect.items() if key != "motif"}
                    for effect in marginal.get(name, [])
                ],
            }
        )
    facts = folder.summary.mapping("motifs")
    left_out = verdicts.regions_left_out(facts)
    return {
        **{"total": len(rows), "motifs": motifs, "facts": flat_numbers(facts)},
        **{"regions_left_out": left_out, "background": background(folder.path / "motifs.meme")},
    }


def background(path: Path) -> list[float]:
    """Return the shares of A C G T that a file of motifs was made against; a quarter each where it does not say."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = _FREQUENCIES.search(text)
    shares = [float(share) for share in found.groups()] if found else []
    return shares if shares and min(shares) > 0 and abs(sum(shares) - 1) < 0.01 else list(UNIFORM)


def _failed(row: dict[str, str]) -> str:
    """Return what a motif that is not real is no better than; empty for a real one."""
    if row.get("real") != "no":
        return ""
    tests = {"null_p": "the null runs", "shuffled_p": "shuffled sequence"}
    beaten = [tests[key] for key in tests if (p := real(row.get(key))) is not None and p > LARGEST_P]
    return " and ".join(beaten) or tests["null_p"]


def best_match(rows: list[dict[str, str]]) -> dict | None:
    """Return the match with the smallest q, with its p, E and q; None when no match is significant."""
    found = []
    for row in rows:
        p, e, q = (real(row.get(key)) for key in ("p", "e", "q"))
        if q is not None and q <= LARGEST_Q:
            target, strand = row.get("target", ""), row.get("strand", "")
            found.append(
                {"target": target, "p": p, "e": e, "q": q, "offset": whole(row.get("offset")), "strand": strand}
            )
    return min(found, key=lambda match: (match["q"], match["p"] or 0.0)) if found else None


def matrix(values: np.ndarray | None) -> list | None:
    """Return a (w, 4) matrix as lists; None when it is not one."""
    if values is None or values.ndim != 2 or values.shape[1] != 4 or not 0 < len(values) <= 200:
        return None
    return rounded(values) if np.isfinite(values).all() else None


def _by_motif(folder: AttributionFolder, file: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in folder.rows(file, "motif"):
        found.setdefault(row["motif"], []).append(row)
    return found


def _value(text: str) -> float | int | str:
    """Return a table's text as the number that it is, or as it stands."""
    number = whole(text)
    if number is None:
        number = real(text)
    return text if number is None else number
