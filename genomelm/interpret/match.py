"""Motifs against motifs: Tomtom over JASPAR and MEME files, and recovery of motifs that are known to be there."""

import importlib.util
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.interpret import meme
from genomelm.interpret.alignment import best_pearson
from genomelm.interpret.hits import false_discovery

NEAREST = 5


class Match(NamedTuple):
    """A target that is like a motif.

    Attributes:
        motif, target: names. p: of the similarity. e: expected number of targets as similar. q: smallest false
            discovery rate over all motifs and targets. offset: of the motif's first column in the target's columns.
        overlap: columns that lie over each other. strand: of the target, + or -.
    """

    motif: str
    target: str
    p: float
    e: float
    q: float
    offset: int
    overlap: int
    strand: str


def databases(paths: Sequence[str | Path], jaspar: str = "") -> dict[str, np.ndarray]:
    """Read targets by name: MEME files, and a taxonomic group of JASPAR's CORE collection.

    Raises:
        UsageError: pyjaspar is not installed, or JASPAR has no such group.
        InputError: a file holds no motifs, or a name comes twice.
    """
    found: dict[str, np.ndarray] = {}
    for path in paths:
        for name, ppm in meme.read(path).items():
            if name in found:
                raise InputError(f"{path}: motif {name} is in another database too; rename it in one of them")
            found[name] = ppm
    if jaspar:
        for record in _jaspar(jaspar):
            counts = np.array([record.counts[letter] for letter in "ACGT"], dtype=np.float64).T
            found[f"{record.matrix_id} {record.name}"] = counts / counts.sum(axis=1, keepdims=True)
    return found


def _jaspar(group: str) -> list:
    pyjaspar = _optional("pyjaspar", "--jaspar")
    records = pyjaspar.jaspardb().fetch_motifs(collection="CORE", tax_group=[group])
    if not records:
        raise UsageError(
            f"JASPAR's CORE collection has no motifs of '{group}'; give vertebrates, plants, insects, nematodes, fungi "
            "or urochordates (there are none of bacteria: give a MEME file by --motif-db)"
        )
    return records


def require(name: str, what: str) -> None:
    """Look for an optional package without importing it.

    Raises:
        UsageError: `what` needs it, and it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise UsageError(f"{what} needs the package {name}: pip install 'genomelm[interpret]'")


def _optional(name: str, what: str):
    require(name, what)
    return importlib.import_module(name)


def tomtom(motifs: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray]) -> list[Match]:
    """Compare PPMs (w, 4) with targets on both strands; return the nearest targets of each motif, by motif, then p.

    Source: Gupta et al. 2007, Genome Biology 8:R24, as memelite computes it.

    Raises:
        UsageError: memelite is not installed.
    """
    if not motifs or not targets:
        return []
    # memelite compiles at its first call (about a minute) and keeps the machine code beside itself; where the
    # installation cannot be written numba needs a folder of the user's.
    if "NUMBA_CACHE_DIR" not in os.environ and not os.access(_folder("memelite"), os.W_OK):
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        os.environ["NUMBA_CACHE_DIR"] = str(cache / "genomelm" / "numba")
    memelite = _optional("memelite", "matching motifs to a database")
    names = list(targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that few targets make rough p-values: E says how many there are
        p, _, offsets, overlaps, strands = memelite.tomtom(
            [np.ascontiguousarray(ppm.T) for ppm in motifs.values()],
            [np.ascontiguousarray(ppm.T) for ppm in targets.values()],
            n_jobs=1,
        )
    p = np.clip(p, 0.0, 1.0)
    q = false_discovery(p.ravel(), p.size).reshape(p.shape)
    found = []
    for i, motif in enumerate(motifs):
        for j in np.argsort(p[i], kind="stable")[:NEAREST]:
            found.append(
                Match(
                    motif,
                    names[j],
                    float(p[i, j]),
                    float(p[i, j] * len(names)),
                    float(q[i, j]),
                    int(offsets[i, j]),
                    int(overlaps[i, j]),
                    "-" if strands[i, j] else "+",
                )
            )
    return found


def _folder(package: str) -> str:
    found = importlib.util.find_spec(package)
    return os.path.dirname(found.origin) if found and found.origin else os.sep


def recovery(motifs: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> dict:
    """Return how well motifs that are known to be there were found: the check `truth`.

    Returns:
        {"motifs": [{"name", "pearson" (best of all motifs on either strand), "motif" (its name, None without any)}],
         "lowest_pearson"}; without motifs every pearson is 0.
    """
    rows = []
    for name, ppm in truth.items():
        best = max(((best_pearson(found, ppm)[0], motif) for motif, found in motifs.items()), default=(0.0, None))
        rows.append({"name": name, "pearson": best[0], "motif": best[1]})
    return {"motifs": rows, "lowest_pearson": min(row["pearson"] for row in rows)}
