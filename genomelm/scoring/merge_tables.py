"""Shares of one scored table of variants, joined: no row may be missing, none there twice."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from genomelm.errors import InputError, UsageError
from genomelm.files import output_lock, provenance, sha256
from genomelm.scoring.mismatch import check_sums
from genomelm.scoring.shard import Statement
from genomelm.scoring.shares import complete
from genomelm.scoring.stated_table import beside, read_facts, stated_table
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
        InputError: a share is missing or there twice, cannot be read, does not hold its rows, is not the table that its
            PATH.json was written with, or is of another input or run.
        UsageError: tables of several formats, or an output that is one of the parts or that another process writes.
        AssemblyError: too many letters of all shares together differ from the reference.
    """
    out = Path(out)
    for part in map(Path, parts):
        if part.suffix != out.suffix or out.suffix not in (".tsv", ".parquet"):
            raise UsageError(f"part {part} and output {out}: tables are joined in their own format, .tsv or .parquet")
        if part.resolve() == out.resolve():
            raise UsageError(f"output {out} is part {part} as well; choose another name")
    with output_lock(out):
        shares = complete([_opened(Path(part)) for part in parts])
        check_sums((share.statement.mismatches for share in shares), out)
        for share in shares:
            _check_digest(share)
        first = shares[0].statement
        facts = provenance(input=first.source, run=first.run)
        kept = {key: value for key, value in shares[0].facts.items() if key not in ("shard", *facts)}
        join = _join_parquet if out.suffix == ".parquet" else _join_text
        with stated_table(out, {**kept, **facts}) as temporary:
            join(shares, temporary)
    found = {"parts": len(shares), "rows": first.records, "output": str(out)}
    return {**found, "input": first.source, "run": first.run, "provenance": facts}


def _opened(path: Path) -> _Part:
    facts = read_facts(path)
    if "shard" not in facts:
        raise InputError(f"{beside(path)} says of no shard: is {path} an output of `genomelm score --shard`?")
    try:
        return _Part(path, Statement.from_json(facts["shard"]), facts["columns"], facts)
    except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
        raise InputError(f"{beside(path)} is damaged ({error}); score the shard again") from None


def _check_digest(share: _Part) -> None:
    if sha256(share.path) != share.facts.get("sha256"):
        raise InputError(
            f"{share.path} (shard {share.statement.shard}) is not the table that {beside(share.path)} was written "
            "with: it was cut or changed, or its run was stopped; score the shard again"
        )


def _check_rows(share: _Part, found: int) -> None:
    said = share.statement
    if found != said.end - said.first:
        raise InputError(
            f"{share.path} (shard {said.shard}) holds {found:,} of its {said.end - said.first:,} rows: score the shard "
            "again"
        )


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as a table ({error}); score the shard again")


def _join_text(shares: Sequence[_Part], temporary: Path) -> None:
    with open(temporary, "w", encoding="utf-8", newline="") as stream:
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
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from None
    finally:
        csv.field_size_limit(limit)


def _join_parquet(shares: Sequence[_Part], temporary: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    tables = []
    for share in shares:
        try:
            tables.append(parquet.read_table(share.path))
        except (pyarrow.ArrowException, OSError) as error:
            raise _unreadable(share.path, error) from None
        _check_rows(share, tables[-1].num_rows)
    parquet.write_table(pyarrow.concat_tables(tables), temporary, compression="zstd")
