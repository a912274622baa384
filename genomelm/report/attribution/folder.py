"""The folder of an attribution set: the one place that knows which file holds what.

Every file may be absent, except summary.json, which says that the others are whole:

summary.json      {"kind": "regions", "regions", "length", "unit", "models": [name], "checks": {name: numbers, or
                  {"reason"}}, "motifs", "provenance"}
regions.tsv       id, contig, start, end, strand, name: 0-based half-open
attributions.npz  one_hot, ism, gradient_x_input, integrated_gradients (N, l, 4), deletion (N, l)
tracks.npz        not attribution: entropy (N, l), patch_starts (N, l) bool, attention_{layer} (N, l)
variants.tsv      id ("." where a variant has no maps), contig, pos (from 1), ref, alt, score, status, gained, lost
variants.npz      ref_ism, alt_ism, ref_one_hot, alt_one_hot (V, l, 4); offset, ref_length, alt_length (V,)
seqlets.tsv, hits.tsv, known_sites.tsv    region, start, end: offsets in the region as it is read, 0-based half-open
motifs.tsv, motifs.npz (ppm_{n}, cwm_{n} (w, 4) of row n, from 1), matches.tsv (Tomtom), marginal.tsv
filters.json      learned filters of the first model
"""

import dataclasses
from functools import cached_property
from pathlib import Path

import numpy as np

from genomelm.report.inputs import Part, read_arrays, read_part, read_table

LONGEST = 200_000
"""Rows read of a table: a report shows far fewer."""


@dataclasses.dataclass(frozen=True)
class AttributionFolder:
    """An attribution set on disk. `name` stands in the report; `shown` is the folder's path as the report says it."""

    path: Path
    name: str
    shown: str
    summary: Part

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays of attributions.npz that fit the regions: (N, l, 4) or (N, l), finite."""
        found = read_arrays(self.path / "attributions.npz")
        return _fitting(found, found["one_hot"].shape) if "one_hot" in found else {}

    @cached_property
    def tracks(self) -> dict[str, np.ndarray]:
        """The arrays of tracks.npz that are (N, l)."""
        found = read_arrays(self.path / "tracks.npz")
        return _fitting(found, self.arrays["one_hot"].shape) if "one_hot" in self.arrays else {}

    def npz(self, file: str) -> dict[str, np.ndarray]:
        """Return the arrays of one file, empty when it is missing or broken."""
        return read_arrays(self.path / file)

    def part(self, file: str) -> Part:
        """Return one JSON file."""
        return read_part(self.path / file, f"{self.shown}{file}")

    def rows(self, file: str, *columns: str) -> list[dict[str, str]]:
        """Return the rows of one table, as text, that have all `columns`; empty when the file is missing or broken."""
        path = self.path / file
        found: list[dict[str, str]] = []
        if not path.is_file():
            return found
        for row in read_table(path):
            if all(row.get(column) is not None for column in columns):
                found.append({key: value for key, value in row.items() if key is not None and value is not None})
            if len(found) == LONGEST:
                break
        return found


def open_folder(path: str | Path, name: str, shown: str) -> AttributionFolder:
    """Return a folder's reader. shown: what stands before its files' names in the report, with its slash."""
    path = Path(path)
    return AttributionFolder(path, name, shown, read_part(path / "summary.json", f"{shown}summary.json"))


def _fitting(arrays: dict[str, np.ndarray], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Keep arrays of `shape` (N, l, 4) or its (N, l); others are of another run, or stacked over models."""
    if len(shape) != 3 or shape[-1] != 4:
        return {}
    return {key: array for key, array in arrays.items() if array.shape in (shape, shape[:2])}


def whole(text: object) -> int | None:
    """Return a table's text as a whole number of at most 15 digits, or None."""
    try:
        value = int(str(text))
    except ValueError:
        return None
    return value if abs(value) < 10**15 else None


def real(text: object) -> float | None:
    """Return a table's text as a finite number, or None."""
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if np.isfinite(value) else None
