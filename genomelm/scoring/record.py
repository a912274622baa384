"""One data line on its way through: eight columns, its alleles' windows, and the INFO text they get."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from genomelm.scoring.contigs import ContigMap
from genomelm.scoring.selection import Selection
from genomelm.scoring.tags import Tags
from genomelm.seq.variant import Variant
from genomelm.seq.vcf import VcfReader, info_with, info_without, name_of, position
from genomelm.seq.window import SCORED, AllelePair

_REF_BLOCK = (b"<NON_REF>", b"<*>")
_LARGEST = 3.4e38  # VCF's Float has 32 bits

Row = tuple[float | None, ...]
"""Of one allele, a number an output of the model."""


@dataclass(slots=True)
class Record:
    """A data line, its alternative alleles, and why it has none to score (`site`), if so.

    Args:
        columns: the first seven columns as bytes.
        info: the eighth.
        rest: what follows INFO, with its line end (and the tab before FORMAT).
        contig: the genome's name of the contig; None when it has none.
        pos: 1-based.
        alts: one bytes an allele; empty when ALT is '.', or when the record is not selected.
        site: NO_ALT, REF_BLOCK, NOT_SELECTED or ''.
        pairs: one a scored or unscored allele, in ALT order.
        scores: one row an allele, a number an output of the model; None where unscored.
        percentiles: likewise, of the scores among a background; empty when there is none.
        statuses: one an allele, known with the scores.
    """

    columns: list[bytes]
    info: bytes
    rest: bytes
    contig: str | None
    pos: int
    alts: list[bytes]
    site: str = ""
    pairs: list[AllelePair] = field(default_factory=list)
    scores: list[Row | None] = field(default_factory=list)
    percentiles: list[Row | None] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)

    def take(self, scores: list[Row | None], percentiles: list[Row | None]) -> None:
        """Take the scores of each allele; one that has none, though it was scored, is a status."""
        self.scores, self.percentiles = scores, percentiles
        self.statuses = [
            "NONFINITE" if score is None and pair.status in SCORED else pair.status
            for pair, score in zip(self.pairs, scores, strict=True)
        ]

    def variant(self, alt: bytes) -> Variant:
        """The variant of one allele, on the genome's contig."""
        return Variant(self.contig or name_of(self.columns[0]), self.pos, name_of(self.columns[3]), name_of(alt))

    def line(self, tags: Tags, replaced: frozenset[bytes]) -> bytes:
        """Return the output's line: INFO changed, the other columns as they were."""
        info = info_without(self.info, replaced) if replaced else self.info
        added = []
        if self.pairs:
            added += _columns(tags.scores, self.scores)
            if self.percentiles:
                added += _columns(tags.percentiles, self.percentiles)
            added.append(f"{tags.status}={','.join(self.statuses)}")
        if self.site:
            added.append(f"{tags.site}={self.site}")
        return b"\t".join([*self.columns, info_with(info, ";".join(added).encode())]) + self.rest


def parse(
    reader: VcfReader,
    number: int,
    line: bytes,
    contigs: ContigMap,
    selection: Selection | None = None,
    shorten: Callable[[bytes], bytes] | None = None,
) -> Record:
    """Split a data line.

    Args:
        selection: where records are looked at; None means everywhere.
        shorten: keeps some of the samples' columns.
    """
    parts = line.split(b"\t", 8)
    columns, info = parts[:7], parts[7]
    if len(parts) == 9:
        rest = b"\t" + parts[8]
        if shorten is not None:
            rest = shorten(rest)
    else:
        body = info.rstrip(b"\r\n")
        info, rest = body, info[len(body) :]
    contig = contigs[columns[0]]
    pos = position(reader, number, columns[1])
    ref, alt = columns[3], columns[4]
    if selection is not None and (contig or name_of(columns[0]), pos - 1, pos - 1 + len(ref)) not in selection:
        return Record(columns, info, rest, contig, pos, [], "NOT_SELECTED")
    if alt == b".":
        return Record(columns, info, rest, contig, pos, [], "NO_ALT")
    alts = alt.split(b",")
    return Record(columns, info, rest, contig, pos, alts, "REF_BLOCK" if all(a in _REF_BLOCK for a in alts) else "")


def _columns(tags: tuple[str, ...], rows: list[Row | None]) -> list[str]:
    """Return TAG=values of each output, one value an allele."""
    return [
        f"{tag}={','.join([score_text(None if row is None else row[column]) for row in rows])}"
        for column, tag in enumerate(tags)
    ]


def finite(score: float) -> float | None:
    """Return a score that VCF can hold, or None for NaN, Inf and what 32 bits cannot hold."""
    return score if math.isfinite(score) and abs(score) < _LARGEST else None


def score_text(score: float | None) -> str:
    """Write a score with six significant digits; '.' where there is none."""
    return "." if score is None else f"{score or 0.0:.6g}"


def finite_row(scores: Iterable[float]) -> Row | None:
    """Return an allele's scores, or None where one of them is not finite: it then has no score at all."""
    row = tuple(map(finite, scores))
    return None if None in row else row
