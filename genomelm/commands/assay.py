"""`genomelm assay`: a table of measured variants becomes a VCF, which tasks learn from and `genomelm score` reads."""

from pathlib import Path
from typing import Annotated

import typer


def assay(
    table: Annotated[Path, typer.Argument(help="Table of variants: CSV, TSV, plain or gzip, Parquet, or .xlsx.")],
    reference: Annotated[Path, typer.Option("-r", "--reference", help="Reference FASTA: plain, gzip or bgzip.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="VCF to write (.vcf.gz), with its index.")],
    label: Annotated[str, typer.Option("--label", help="Column of the measurement, INFO key EFFECT of the VCF.")],
    contig: Annotated[str, typer.Option("--contig", help="Column of the contig.")] = "contig",
    pos: Annotated[str, typer.Option("--pos", help="Column of the position, 1-based.")] = "pos",
    ref: Annotated[str, typer.Option("--ref", help="Column of the reference allele.")] = "ref",
    alt: Annotated[str, typer.Option("--alt", help="Column of the alternative allele; - deletes the reference's.")] = (
        "alt"
    ),
    keep: Annotated[
        list[str] | None, typer.Option("--keep", help="COLUMN=VALUE: only rows with this value; may be repeated.")
    ] = None,
    header: Annotated[int, typer.Option("--header", min=1, help=".xlsx: line of the header.")] = 1,
) -> None:
    """Write the variants of a table as a sorted VCF with their measured effects.

    Each row is one record. Rows without a position, a label, or alleles in letters are left out, with a count.
    """
    from genomelm.errors import UsageError
    from genomelm.seq.genome import Genome
    from genomelm.tasks.assay_variants import Columns, assay_vcf

    if not out.name.endswith(".vcf.gz"):
        raise UsageError(f"-o {out} must end with .vcf.gz: it is written as bgzip, with an index")
    if header != 1 and table.suffix != ".xlsx":
        raise UsageError(f"--header is for .xlsx: the first line of {table} names its columns")
    wanted = {}
    for text in keep or ():
        column, equals, value = text.partition("=")
        if not (column and equals):
            raise UsageError(f"--keep '{text}' is not COLUMN=VALUE")
        wanted[column] = value
    with Genome(reference) as genome:
        count, left_out = assay_vcf(table, genome, out, Columns(contig, pos, ref, alt, label), wanted, header)
    reasons = "".join(f"; {rows:,} rows left out: {why}" for why, rows in left_out.items())
    typer.echo(f"{out}: {count:,} variants{reasons}")
