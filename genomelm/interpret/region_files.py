"""The files of an attribution of many regions that other tools read, and how a folder of them gets its name."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyBigWig

from genomelm import files
from genomelm.errors import IntegrityError
from genomelm.interpret import ism
from genomelm.interpret.gradients import off_simplex
from genomelm.interpret.regions import Regions

OWN = (
    *("regions.tsv", "attributions.npz", "ohe.npz", "shap.npz", "importance.bw", "tracks.npz", "variants.tsv"),
    *("variants.npz", "variant_motifs.tsv", "seqlets.tsv", "motifs.tsv", "motifs.meme", "motifs.npz", "hits.tsv"),
    *("hits.bed", "matches.tsv", "marginal.tsv", "modisco_results.h5", "filters.json", "params.json", "summary.json"),
    "elements.json",
    "known_sites.tsv",
)
"""Names of everything that `genomelm attribute` writes."""


def write_regions(folder: Path, regions: Regions) -> None:
    """Write regions.tsv: id, contig, start, end (0-based, half-open), strand, name."""
    rows = [(r.id, r.contig, r.start, r.end, r.strand, r.name) for r in regions.rows]
    write_table(folder / "regions.tsv", ("id", "contig", "start", "end", "strand", "name"), rows)


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a tab-separated table with a header line; a tab or line end in a value becomes a blank."""
    lines = [columns, *rows]
    text = "".join(
        "\t".join(" ".join(str(value).split("\t")) for value in line).replace("\n", " ") + "\n" for line in lines
    )
    files.write_text(path, text)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a .npz; floating-point numbers as float32."""
    stored = {name: np.float32(a) if np.asarray(a).dtype.kind == "f" else a for name, a in arrays.items()}
    with files.atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **stored)


def write_for_modisco(folder: Path, one_hot: np.ndarray, effects: np.ndarray) -> None:
    """Write ohe.npz and shap.npz, (N, 4, l) each under arr_0, as modisco and finemo read them.

    Args:
        one_hot: (N, l, 4).
        effects: (N, l, 4) of ISM. A letter's hypothetical contribution is its effect less the mean over the letters.
    """
    for name, array in (("ohe.npz", one_hot), ("shap.npz", off_simplex(effects))):
        with files.atomic_path(folder / name) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, np.ascontiguousarray(array.transpose(0, 2, 1), dtype=np.float32))


def write_bigwig(path: Path, regions: Regions, effects: np.ndarray) -> None:
    """Write mean |effect| a base as a bigWig; where regions overlap, their mean; unknown bases are left out.

    It is read again before it gets its name: one that was cut while it was written opens without an error.

    Args:
        regions: of a genome.
        effects: (N, l, 4) of ISM, along each region's strand.

    Raises:
        IntegrityError: what was written is not what is read.
    """
    assert regions.contigs is not None
    runs = _runs(regions, effects)
    with files.atomic_path(path) as temporary:
        stream = pyBigWig.open(str(temporary), "w")
        stream.addHeader(list(regions.contigs.items()))
        for contig, start, values in runs:
            stream.addEntries(contig, start, values=values.tolist(), span=1, step=1)
        stream.close()
        with pyBigWig.open(str(temporary)) as written:
            for contig, start, values in runs:
                found = written.values(contig, start, start + len(values), numpy=True)
                if not np.array_equal(found, values.astype(np.float32)):
                    raise IntegrityError(
                        f"{path}: {contig}:{start + 1}-{start + len(values)} reads back otherwise than it was written; "
                        "is the disk full?"
                    )


def _runs(regions: Regions, effects: np.ndarray) -> list[tuple[str, int, np.ndarray]]:
    """Return contig, start and values (k,) of each stretch of known bases, in the genome's order."""
    order = {contig: number for number, contig in enumerate(regions.contigs)}
    sorted_rows = sorted(range(len(regions)), key=lambda i: (order[regions.rows[i].contig], regions.rows[i].start))
    found: list[tuple[str, int, np.ndarray]] = []
    cluster: list[int] = []
    for i in sorted_rows:
        row = regions.rows[i]
        if cluster and (regions.rows[cluster[0]].contig != row.contig or row.start > _end(regions, cluster)):
            found += _joined(regions, effects, cluster)
            cluster = []
        cluster.append(i)
    return found + _joined(regions, effects, cluster) if cluster else found


def _end(regions: Regions, cluster: Sequence[int]) -> int:
    return max(regions.rows[i].end for i in cluster)


def _joined(regions: Regions, effects: np.ndarray, cluster: Sequence[int]) -> list[tuple[str, int, np.ndarray]]:
    """Return the runs of regions that overlap or touch."""
    first = min(regions.rows[i].start for i in cluster)
    total, count = (np.zeros(_end(regions, cluster) - first) for _ in range(2))
    for i in cluster:
        row = regions.rows[i]
        values = ism.importance(effects[i])
        known = ism.one_hot(regions.sequences[i]).any(-1)
        if row.strand == "-":
            values, known = values[::-1], known[::-1]
        place = slice(row.start - first, row.end - first)
        total[place] += np.where(known, values, 0.0)
        count[place] += known
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (count > 0).astype(int), [0]])))
    contig = regions.rows[cluster[0]].contig
    return [
        (contig, first + int(a), (total[a:b] / count[a:b]).astype(np.float32))
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]


def publish(made: Path, out: Path) -> None:
    """Move the files of a finished folder into `out`, summary.json last; what an earlier run left there goes.

    While summary.json is there, the other files are of its run.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").unlink(missing_ok=True)
    names = sorted(os.listdir(made), key=lambda name: name == "summary.json")
    for name in set(OWN) - set(names):
        (out / name).unlink(missing_ok=True)
    for name in names:
        os.replace(made / name, out / name)
