"""Shares of one scored table of variants, joined: no row may be missing, none there twice."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genomelm.errors import InputError, UsageError
from genomelm.files import atomic_path, output_lock, provenance, read_json, write_json
from genomelm.scoring.mismatch import check_sums
from genomelm.scoring.shard import Statement
from genomelm.scoring.shares import complete
from genomelm.tasks.table import LONGEST_FIELD


@dataclass(frozen=True)
class _Part:
    path: Path
    statement: Statement
    form: list[str]
    facts: dict


def merge_tables(parts: Sequence[str | Path], out: str | Path) -> dict:
    """Join the outputs of `genomelm score --shard` of a table in the order of their shares, whatever that of `parts`.

    Args:
        parts: .tsv or .parquet, each with its PATH.json.
        out: of the same format; PATH.json beside it holds the provenance.

    Returns:
        "parts", "rows", "output", "input" and "run" (digests), "provenance".

    Raises:
        InputError: a share is missing or there twice, does not hold its rows, or is of another input or run.
        UsageError: tables of several formats, or an output that is one of the parts.
        AssemblyError: too many letters of all shares together differ from the reference.
    """
    out = Path(out)
    for part in map(Path, parts):
        if part.suffix != out.suffix or out.suffix not in (".tsv", ".parquet"):
            raise UsageError(f"part {part} and output {out}: tables are joined in their own format, .tsv or .parquet")
        if part.resolve() == out.resolve():
            raise UsageError(f"output {out} is part {part} as well; choose another name")
    shares = complete([_opened(Path(part)) for part in parts])
    check_sums((share.statement.mismatches for share in shares), out)
    first = shares[0].statement
    facts = provenance(input=first.source, run=first.run)
    join = _join_parquet if out.suffix == ".parquet" else _join_text
    with output_lock(out):
        join(shares, out)
        kept = {key: value for key, value in shares[0].facts.items() if key not in ("shard", *facts)}
        write_json(Path(f"{out}.json"), {**kept, **facts})
    found = {"parts": len(shares), "rows": first.records, "output": str(out)}
    return {**found, "input": first.source, "run": first.run, "provenance": facts}


def _opened(path: Path) -> _Part:
    beside = Path(f"{path}.json")
    if not (path.exists() and beside.exists()):
        raise InputError(f"{path} or {beside} does not exist: give outputs of `genomelm score --shard`")
    facts = read_json(beside)
    if "shard" not in facts:
        raise InputError(f"{beside} says of no shard: is {path} an output of `genomelm score --shard`?")
    try:
        return _Part(path, Statement.from_json(facts["shard"]), facts["columns"], facts)
    except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
        raise InputError(f"{beside} is damaged ({error}); score the shard again") from None


def _check_rows(share: _Part, found: int) -> None:
    said = share.statement
    if found != said.end - said.first:
        raise InputError(
            f"{share.path} (shard {said.shard}) holds {found:,} of its {said.end - said.first:,} rows: score the shard "
            "again"
        )


def _join_text(shares: Sequence[_Part], out: Path) -> None:
    with atomic_path(out) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow(shares[0].form)
        for share in shares:
            rows = _rows(share.path)
            _check_rows(share, len(rows) - 1)
            writer.writerows(rows[1:])


def _rows(path: Path) -> list[list[str]]:
    """Return the rows of a tab-separated file, its header's first; a share may have no other."""
    limit = csv.field_size_limit(LONGEST_FIELD)
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return [cells for cells in csv.reader(stream, delimiter="\t") if cells]
    finally:
        csv.field_size_limit(limit)


def _join_parquet(shares: Sequence[_Part], out: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    tables = [parquet.read_table(share.path) for share in shares]
    for share, table in zip(shares, tables, strict=True):
        _check_rows(share, table.num_rows)
    with atomic_path(out) as temporary:
        parquet.write_table(pyarrow.concat_tables(tables), temporary, compression="zstd")
