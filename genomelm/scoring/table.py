"""The table of scores: one row an allele, tab-separated, with its provenance in a JSON file beside it."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from genomelm.errors import UsageError
from genomelm.files import atomic_path, write_json

COLUMNS = ("contig", "pos", "id", "ref", "alt", "status", "score")


@contextlib.contextmanager
def score_table(path: Path | None, provenance: Mapping[str, object]) -> Iterator[BinaryIO | None]:
    """Open a table (None gives None); it appears with PATH.json when the block ends well.

    Positions are 1-based; names are the input's; an allele without a score has '.'.

    Raises:
        UsageError: a format that is not written.
    """
    if path is None:
        yield None
        return
    if path.suffix in (".parquet", ".gz", ".json"):
        raise UsageError(f"table {path} would be tab-separated text; name it .tsv")
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        stream.write("\t".join(COLUMNS).encode() + b"\n")
        yield stream
        stream.flush()
    write_json(Path(f"{path}.json"), {"columns": list(COLUMNS), "pos": "1-based", **provenance})
