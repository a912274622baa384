"""The files of motifs, seqlets, hits and sites, in the forms that other tools read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomelm import files
from genomelm.interpret import meme, sites
from genomelm.interpret.hits import Hit
from genomelm.interpret.known_sites import Located
from genomelm.interpret.motif import Pattern
from genomelm.interpret.pwm import consensus, information
from genomelm.interpret.region_files import write_arrays, write_table
from genomelm.interpret.regions import Region
from genomelm.interpret.seqlets import CORE, Seqlet


def write_records(path: Path, kind: type, records: Sequence[tuple]) -> None:
    """Write named tuples as a table, columns by their fields."""
    _write(path, kind._fields, records)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table, its numbers with six digits."""
    write_table(path, columns, [[f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in rows])


def placed(region: Region, start: int, end: int, strand: str) -> tuple[int, int, str]:
    """Return where a stretch of a region, as it is read, lies on its contig: start, end (0-based half-open), strand."""
    if region.strand == "+":
        return region.start + start, region.start + end, strand
    return region.end - end, region.end - start, {"+": "-", "-": "+"}.get(strand, strand)


def write_seqlets(
    folder: Path, called: Sequence[Seqlet], found: Sequence[Pattern], names: Sequence[str], regions: Sequence[Region]
) -> None:
    """Write seqlets.tsv: offsets in the region and places on the contig, the sum of the core, and the motif that has a
    site over half of the core."""
    by_region: dict[tuple[int, int], list[tuple[int, int, str]]] = {}
    for name, pattern in zip(names, found, strict=True):
        for site in pattern.sites:
            spans = by_region.setdefault((site.region, pattern.sign), [])
            spans.append((site.start, site.start + len(pattern.ppm), name))
    rows = []
    for seqlet in called:
        region = regions[seqlet.region]
        middle = seqlet.core + CORE // 2
        motif = next((n for a, b, n in by_region.get((seqlet.region, seqlet.sign), []) if a <= middle <= b), "")
        place = (region.contig, *placed(region, seqlet.start, seqlet.end, "+")[:2])
        sign = "+" if seqlet.sign > 0 else "-"
        rows.append(
            (region.id, seqlet.start, seqlet.end, *place, seqlet.core, sign, seqlet.attribution, seqlet.p, motif)
        )
    columns = ("region", "start", "end", "contig", "contig_start", "contig_end", "core", "sign", "attribution", "p")
    _write(folder / "seqlets.tsv", (*columns, "motif"), rows)


def write_motifs(
    folder: Path,
    found: Sequence[Pattern],
    names: Sequence[str],
    rows: Sequence[dict],
    background: tuple[float, ...],
) -> None:
    """Write motifs.tsv, motifs.npz (ppm_1, cwm_1, ..., (w, 4) each) and motifs.meme, which holds those that count."""
    lines, arrays = [], {}
    for number, (name, pattern, row) in enumerate(zip(names, found, rows, strict=True), 1):
        arrays[f"ppm_{number}"], arrays[f"cwm_{number}"] = pattern.ppm, pattern.cwm
        bits = float(information(pattern.ppm, background).sum())
        shuffled = ("", "") if row["shuffled_p"] is None else (row["shuffled_sites"], row["shuffled_p"])
        sign, real = "+" if pattern.sign > 0 else "-", "yes" if row["real"] else "no"
        counts = (len(pattern.ppm), len(pattern.sites), pattern.expected, bits, pattern.strength)
        lines.append((name, sign, consensus(pattern.ppm), *counts, row["p"], *shuffled, real))
    columns = ("motif", "sign", "consensus", "width", "sites", "expected_sites", "bits", "strength", "null_p")
    _write(folder / "motifs.tsv", (*columns, "shuffled_sites", "shuffled_p", "real"), lines)
    write_arrays(folder / "motifs.npz", arrays)
    kept = [(name, p) for name, p, row in zip(names, found, rows, strict=True) if row["real"]]
    meme.write(folder / "motifs.meme", {name: p.ppm for name, p in kept}, [len(p.sites) for _, p in kept], background)


def write_hits(
    folder: Path, calls: Sequence[Hit], names: Sequence[str], regions: Sequence[Region], located: Located | None
) -> None:
    """Write hits.tsv, with the known site that each overlaps most, and hits.bed, its score -100 log10 p."""
    rows, bed = [], []
    for hit in calls:
        region = regions[hit.region]
        start, end, strand = placed(region, hit.start, hit.end, hit.strand)
        known = "" if located is None else _known(hit, located)
        rows.append(
            (
                *(region.id, hit.start, hit.end, hit.strand, names[hit.motif], region.contig, start, end, strand),
                *(hit.score, hit.p, hit.q, hit.contribution, hit.concentration, hit.sequence, known),
            )
        )
        value = min(1000, round(-100 * np.log10(max(hit.p, 1e-300))))
        bed.append((region.contig, start, end, names[hit.motif], value, strand))
    columns = ("region", "start", "end", "strand", "motif", "contig", "contig_start", "contig_end", "contig_strand")
    more = ("score", "p", "q", "contribution", "concentration", "sequence", "known_site")
    _write(folder / "hits.tsv", columns + more, rows)
    lines = ("\t".join(" ".join(str(value).split()) for value in row) for row in sorted(bed))
    files.write_text(folder / "hits.bed", "".join(line + "\n" for line in lines))


def _known(hit: Hit, located: Located) -> str:
    shared = [(min(hit.end, s.end) - max(hit.start, s.start), s.name) for s in located.by_region[hit.region]]
    most = max(shared, default=(0, ""), key=lambda pair: pair[0])
    return most[1] if most[0] > 0 else ""


def write_known_sites(folder: Path, located: Located, importance: np.ndarray, regions: Sequence[Region]) -> None:
    """Write known_sites.tsv: each site on each region, with the importance that it holds (`sites.per_site`)."""
    rows = []
    for region, row, values in zip(regions, located.by_region, importance, strict=True):
        for site in sites.per_site(row, values) if row else ():
            place = (region.contig, *placed(region, site["start"], site["end"], "+")[:2])
            over = "" if site["over_outside"] is None else site["over_outside"]
            held = (site["mean_importance"], over, site["window_percentile"])
            rows.append((region.id, site["start"], site["end"], site["name"], *place, site["sequence"], *held))
    columns = ("region", "start", "end", "name", "contig", "contig_start", "contig_end", "sequence")
    more = ("mean_importance", "over_outside", "window_percentile")
    _write(folder / "known_sites.tsv", columns + more, rows)
