"""Genome annotation: GFF3 (and GTF) features, and unions and complements of intervals."""

import re
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from genomelm.errors import InputError
from genomelm.seq.interval import Interval, text_lines

_GTF_PAIR = re.compile(r'\s*(\S+)\s+(?:"([^"]*)"|([^;]*))\s*(?:;|$)')


@dataclass(frozen=True)
class Feature:
    """One line of an annotation, 0-based and half-open.

    `frame` is the number of bases before the first whole codon (0, 1, 2), None where the file has '.'.
    """

    contig: str
    start: int
    end: int
    strand: str
    kind: str
    attributes: dict[str, str]
    frame: int | None

    @property
    def interval(self) -> Interval:
        """Where the feature is; unstranded features read as '+'."""
        return Interval(self.contig, self.start, self.end, self.strand if self.strand in "+-" else "+")


def read_gff(path: str | Path) -> Iterator[Feature]:
    """Yield the features of a GFF3 or GTF file (plain or gzip) in file order; stops at ##FASTA.

    Raises:
        InputError: a line without nine columns, or with positions that are not a range.
    """
    for number, line in enumerate(text_lines(Path(path)), 1):
        if line.startswith("##FASTA") or line.startswith(">"):
            return
        line = line.rstrip("\r\n")
        if not line.strip() or line.startswith("#"):
            continue
        columns = line.split("\t")
        if len(columns) < 8:
            hint = _other_format(line, columns)
            raise InputError(f"{path}:{number} has {len(columns)} columns; GFF needs nine, split by tabs{hint}")
        contig, _, kind, start, end, _, strand, frame = columns[:8]
        if not (start.isdecimal() and end.isdecimal() and 1 <= int(start) <= int(end)):
            raise InputError(
                f"{path}:{number} start '{start}' and end '{end}' are no range (1-based, both ends inside)"
            )
        yield Feature(
            contig=urllib.parse.unquote(contig),
            start=int(start) - 1,
            end=int(end),
            strand=strand if strand in ("+", "-") else ".",
            kind=urllib.parse.unquote(kind),
            attributes=_attributes(columns[8] if len(columns) > 8 else "."),
            frame=int(frame) if frame in ("0", "1", "2") else None,
        )


def on_contig(feature: Feature, contig: str, length: int) -> list[Interval]:
    """Return where a feature lies on a contig of `length` bases: one piece, or two where it runs on past the origin.

    On a circular contig GFF3 gives such a feature an end behind the contig's.
    """
    strand = feature.interval.strand
    if feature.end <= length:
        return [Interval(contig, feature.start, feature.end, strand)]
    pieces = (feature.start, length), (0, min(feature.end - length, length))
    return [Interval(contig, start, end, strand) for start, end in pieces if start < end]


def circular_contigs(path: str | Path) -> list[str]:
    """Return the contigs whose own line (region, chromosome, ...) says Is_circular=true, in file order."""
    found = {
        feature.contig: None
        for feature in read_gff(path)
        if feature.attributes.get("Is_circular", "").lower() == "true" and feature.start == 0
    }
    return list(found)


def _other_format(line: str, columns: list[str]) -> str:
    """Say what a line that is no GFF looks like."""
    if len(columns) >= 3 and columns[1].isdecimal() and columns[2].isdecimal():
        return ": this line is BED (contig, start, end); give the annotation as GFF or GTF"
    if line.count(",") >= 7:
        return ": this line is separated by commas; write it with tabs"
    return ""


def _attributes(text: str) -> dict[str, str]:
    if re.match(r'\s*\w+ "', text):
        return {key: quoted or bare.strip() for key, quoted, bare in _GTF_PAIR.findall(text)}
    pairs = (item.partition("=") for item in text.split(";") if "=" in item)
    return {urllib.parse.unquote(key.strip()): urllib.parse.unquote(value.strip()) for key, _, value in pairs}


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the union on the forward strand, sorted; touching intervals are joined, empty ones left out."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if len(interval) == 0:
            continue
        if merged and merged[-1].contig == interval.contig and interval.start <= merged[-1].end:
            merged[-1] = Interval(interval.contig, merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(Interval(interval.contig, interval.start, interval.end))
    return merged


def complement(intervals: Iterable[Interval], length: int) -> list[Interval]:
    """Return the parts of one contig of `length` bases that no interval covers.

    Raises:
        InputError: the intervals lie on several contigs, on none, or past the contig's end.
    """
    covered = merge(intervals)
    names = {interval.contig for interval in covered}
    if len(names) != 1:
        raise InputError(f"complement needs intervals on one contig, got {', '.join(sorted(names)) or 'none'}")
    if covered[-1].end > length:
        raise InputError(f"{covered[-1]} passes the end of the contig ({length:,} bases)")
    contig = names.pop()
    edges = [0, *(edge for interval in covered for edge in (interval.start, interval.end)), length]
    return [Interval(contig, start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]
