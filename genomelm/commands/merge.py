"""`genomelm merge`: join the outputs of `genomelm score --shard`, with proof that none is missing."""

import json
from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Json


def merge(
    parts: Annotated[
        list[Path], typer.Argument(metavar="PARTS", help="Output of each shard, VCF or table, in any order.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="VCF (.vcf.gz or .bcf; - for standard output) or table to write.")
    ],
    table: Annotated[Path | None, typer.Option("--table", help="Scores, one row an allele: .tsv or .parquet.")] = None,
    summary: Annotated[Path | None, typer.Option("--summary", help="JSON with what was joined.")] = None,
    as_json: Json = False,
) -> None:
    """Join the shards of one scored VCF or table; stop (exit 3) when one is missing, there twice, or not whole.

    Stops with exit 4 when the shards together say that the reference is of another assembly.

    The records are byte for byte those of a run on the whole VCF.
    """
    from genomelm.errors import UsageError
    from genomelm.files import refuse_inputs
    from genomelm.scoring.merge import merge as join
    from genomelm.scoring.merge_tables import merge_tables
    from genomelm.scoring.source import is_stream
    from genomelm.scoring.variant_table import is_variant_table

    if as_json and is_stream(out):
        raise UsageError("--json and -o - would both write to standard output: name a file for one of them")
    for written in (out, table, summary):
        refuse_inputs(written, *parts)
    if is_variant_table(parts[0]):
        if table is not None or summary is not None:
            raise UsageError("--table and --summary are of shards of a VCF, and the parts are tables: leave them out")
        joined = merge_tables(parts, out)
        typer.echo(json.dumps(joined) if as_json else f"{out}: {joined['rows']:,} rows of {joined['parts']} shards")
        return
    found = join(parts, out, table=table, summary=summary)
    text = f"{out}: {found.records_out:,} records of {found.parts} shards"
    typer.echo(json.dumps(found.as_json()) if as_json else text, err=is_stream(out))
