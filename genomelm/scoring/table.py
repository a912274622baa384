"""The table of scores: one row an allele, tab-separated or parquet, with its provenance in a JSON file beside it.

It is read off the annotated lines, so it holds what the VCF holds, whichever way the lines came together.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from genomelm.errors import UsageError
from genomelm.files import atomic_path, write_json
from genomelm.scoring.contigs import ContigMap
from genomelm.scoring.gene_regions import GeneRegions
from genomelm.scoring.tags import Tags

COLUMNS = ("contig", "pos", "id", "ref", "alt", "status", "score")
ROW_GROUP = 1 << 16
_TEXT = ("contig", "id", "ref", "alt", "status", "gene", "region")

Row = tuple[bytes, ...]


class TsvRows:
    """Rows as tab-separated text."""

    def __init__(self, stream: BinaryIO, columns: tuple[str, ...], _facts: Mapping[str, object]) -> None:
        self._stream = stream
        stream.write("\t".join(columns).encode() + b"\n")

    def write(self, rows: list[Row]) -> None:
        """Append rows."""
        self._stream.write(b"".join(b"\t".join(row) + b"\n" for row in rows))

    def close(self) -> None:
        """Write what is left."""
        self._stream.flush()


class ParquetRows:
    """Rows as parquet, in groups of ROW_GROUP; '.' becomes null where a number is wanted."""

    def __init__(self, stream: BinaryIO, columns: tuple[str, ...], facts: Mapping[str, object]) -> None:
        import pyarrow
        from pyarrow import parquet

        types = {"pos": pyarrow.int64(), **dict.fromkeys(_TEXT, pyarrow.string())}
        fields = [(name, types.get(name, pyarrow.float64())) for name in columns]
        self._schema = pyarrow.schema(fields, metadata={"genomelm": json.dumps(facts, default=str)})
        self._table = pyarrow.Table
        self._writer = parquet.ParquetWriter(stream, self._schema, compression="zstd")
        self._rows: list[Row] = []

    def write(self, rows: list[Row]) -> None:
        """Append rows."""
        self._rows += rows
        while len(self._rows) >= ROW_GROUP:
            self._group(self._rows[:ROW_GROUP])
            del self._rows[:ROW_GROUP]

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._group(self._rows)
        self._writer.close()

    def _group(self, rows: list[Row]) -> None:
        columns = [
            [_value(cell, str(field.type)) for cell in cells]
            for field, cells in zip(self._schema, zip(*rows, strict=True), strict=True)
        ]
        self._writer.write_table(
            self._table.from_pydict(dict(zip(self._schema.names, columns, strict=True)), self._schema)
        )


def _value(cell: bytes, kind: str) -> Any:
    if kind == "string":
        return cell.decode("utf-8", "backslashreplace")
    if cell == b".":
        return None
    return int(cell) if kind == "int64" else float(cell)


FORMATS = {".tsv": TsvRows, ".txt": TsvRows, ".parquet": ParquetRows}


class ScoreTable:
    """Makes the rows of annotated lines.

    Args:
        rows: where they go.
        tags: of the run.
        contigs: of the VCF.
        percentile: whether the lines have percentiles.
        genes: adds the columns gene and region, if given.
    """

    def __init__(
        self,
        rows: TsvRows | ParquetRows,
        tags: Tags,
        contigs: ContigMap | None,
        percentile: bool,
        genes: GeneRegions | None,
    ) -> None:
        self._rows, self._contigs, self._genes = rows, contigs, genes
        wanted = [tags.status, *tags.scores, *(tags.percentiles if percentile else [])]
        self._keys = [tag.encode() for tag in wanted]
        self._ours = len(tags.names)  # at the end of INFO

    def add(self, text: bytes) -> None:
        """Append the rows of whole lines; a record without alleles to look at has none."""
        self._rows.write([row for line in text.split(b"\n") if line for row in self._of(line)])

    def _of(self, line: bytes) -> Iterator[Row]:
        contig, pos, name, ref, alts, _, _, info = line.split(b"\t", 8)[:8]
        found = dict(item.split(b"=", 1) for item in info.rstrip(b"\r").split(b";")[-self._ours :] if b"=" in item)
        if self._keys[0] not in found:
            return
        values = [found[key].split(b",") for key in self._keys]
        where: tuple[bytes, ...] = ()
        if self._genes is not None and self._contigs is not None:
            start = int(pos) - 1
            where = tuple(text.encode() for text in self._genes.at(self._contigs[contig], start, start + len(ref)))
        for alt, *own in zip(alts.split(b","), *values, strict=True):
            yield (contig, pos, name, ref, alt, *own, *where)


def statuses_of(text: bytes, tags: Tags) -> Iterator[str]:
    """Yield the status of each allele of whole annotated lines."""
    key = tags.status.encode() + b"="
    for line in text.split(b"\n"):
        if line:
            items = line.split(b"\t", 8)[7].rstrip(b"\r").split(b";")[-len(tags.names) :]
            found = next((item for item in items if item.startswith(key)), None)
            if found is not None:
                yield from found[len(key) :].decode().split(",")


@contextlib.contextmanager
def score_table(
    path: Path | None,
    facts: Mapping[str, object],
    tags: Tags,
    contigs: ContigMap | None = None,
    percentile: bool = False,
    genes: GeneRegions | None = None,
) -> Iterator[ScoreTable | None]:
    """Open a table (None gives None); it appears with PATH.json when the block ends well.

    Positions are 1-based; names are the input's; an allele without a score has '.' (parquet: null). Scores of several
    outputs stand in columns named by their tags.
    """
    if path is None:
        yield None
        return
    columns = (*_columns(tags, percentile), *(["gene", "region"] if genes else []))
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        rows = format_of(path)(stream, columns, facts)
        yield ScoreTable(rows, tags, contigs, percentile, genes)
        rows.close()
    write_json(Path(f"{path}.json"), {"columns": list(columns), "pos": "1-based", **facts})


def _columns(tags: Tags, percentile: bool) -> tuple[str, ...]:
    """Return the names of the columns, those of genes left out."""
    if tags.several:
        return *COLUMNS[:-1], *tags.scores, *(tags.percentiles if percentile else ())
    return *COLUMNS, *(["percentile"] if percentile else [])


def format_of(path: Path) -> type[TsvRows] | type[ParquetRows]:
    """Return what writes a table of this name.

    Raises:
        UsageError: a format that is not written.
    """
    if path.suffix not in FORMATS:
        raise UsageError(f"table {path} has a format that is not written; name it .tsv or .parquet")
    return FORMATS[path.suffix]
