"""What `genomelm patch` writes beside the store: a BED of patches, enrichment at features, and a plot."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from genomelm.files import atomic_path
from genomelm.patching.enrichment import Places, overlap
from genomelm.patching.store import PatchStore

PIECE = 1 << 24


OURS = {"patcher", "store", "patches.bed.gz", "patches.bed.gz.csi", "patches.png", "summary.json"}


def write_bed(path: Path, store: PatchStore) -> None:
    """Write one line a patch, bgzip, with a tabix index beside it; both appear whole or not at all."""
    import pysam

    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        made = Path(folder) / path.name
        with pysam.BGZFile(str(made), "wb") as stream:
            for contig in store.contigs:
                for text in _lines(store, contig):
                    stream.write(text)
        index = pysam.tabix_index(str(made), seq_col=0, start_col=1, end_col=2, zerobased=True, force=True, csi=True)
        Path(f"{path}.csi").unlink(missing_ok=True)  # never an old index beside new data
        made.replace(path)
        Path(f"{index}.csi").replace(f"{path}.csi")


def _lines(store: PatchStore, contig: str):
    import pyarrow as pa
    import pyarrow.csv as csv

    length, begin = store.contigs[contig], 0
    while begin < length:
        end = min(begin + PIECE, length)
        starts = np.flatnonzero(store.marks(contig, begin, end)[: end - begin]) + begin
        if len(starts) == 0:  # one patch covers the whole piece
            begin = end
            continue
        following = _next_start(store, contig, end, length)
        ends = np.append(starts[1:], following)
        names = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(starts), np.int32)), [contig]).dictionary_decode()
        table = pa.table({"contig": names, "start": starts, "end": ends})
        sink = pa.BufferOutputStream()
        csv.write_csv(table, sink, csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none"))
        yield sink.getvalue().to_pybytes()
        begin = end


def _next_start(store: PatchStore, contig: str, position: int, length: int) -> int:
    """Return the first start at or after a position, or the contig's end."""
    while position < length:
        end = min(position + 4096, length)
        marks = store.marks(contig, position, end)[: end - position]
        if marks.any():
            return position + int(marks.argmax())
        position = end
    return length


def enrichment(store: PatchStore, classes: Mapping[str, Places]) -> dict:
    """Return recall and precision of boundaries at each class of features, beside chance, over all contigs."""
    found = {}
    for contig, length in store.contigs.items():
        here = {name: places[contig] for name, places in classes.items() if contig in places}
        if not here or not length:
            continue
        starts = store.starts(contig, 0, length)
        for name, places in here.items():
            counted = overlap(starts, places, length)
            found[name] = found[name] + counted if name in found else counted
    return {name: counted.summary() for name, counted in found.items()}


def write_plot(path: Path, summary: Mapping) -> None:
    """Draw the lengths of patches, and how often boundaries fall on features beside chance, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    lengths, features = figure.subplots(1, 2)
    counts = {int(size.rstrip("+")): number for size, number in summary["segmentation"]["lengths"].items()}
    lengths.bar(list(counts), list(counts.values()), width=0.9, color="#3b6ea5")
    lengths.set(xlabel="bases a patch", ylabel="patches", yscale="log")
    lengths.set_title(f"{summary['config']['mode']}: mean {summary['segmentation']['mean']:.2f} bases", fontsize=10)
    rows = [
        (f"{name}, {kind}", found[kind]["observed"], found[kind]["expected"])
        for name, found in summary["enrichment"].items()
        for kind in ("recall", "precision")
        if found[kind] is not None
    ]
    places = np.arange(len(rows))
    features.barh(places + 0.2, [row[1] for row in rows], height=0.38, color="#3b6ea5", label="observed")
    features.barh(places - 0.2, [row[2] for row in rows], height=0.38, color="#b8b8b8", label="by chance")
    features.set_yticks(places, [row[0] for row in rows], fontsize=8)
    features.set_title("boundaries and features" if rows else "no annotation was given", fontsize=10)
    features.invert_yaxis()
    if rows:
        features.legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
