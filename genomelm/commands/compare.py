"""`genomelm compare`: two scored VCFs, record by record."""

import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Json

if TYPE_CHECKING:
    from genomelm.scoring.compare import Comparison


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.vcf.gz", help="Scored VCF or BCF.")],
    second: Annotated[Path, typer.Argument(metavar="B.vcf.gz", help="Scored VCF or BCF.")],
    tag: Annotated[
        str | None, typer.Option("--tag", help="INFO tag of the score (default: the only one that both files have).")
    ] = None,
    other_tag: Annotated[str | None, typer.Option("--other-tag", help="That of B, where it is another.")] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="Largest differences to list.")] = 10,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="Distance up to which scores are equal.")
    ] = 1e-4,
    as_json: Json = False,
) -> None:
    """Print records that are missing, statuses and scores that differ; exit 3 unless all is equal."""
    from genomelm.errors import InputError, UsageError
    from genomelm.scoring.compare import compare as held_against

    if other_tag is not None and tag is None:
        raise UsageError("--other-tag names B's score; name A's with --tag")
    if not math.isfinite(tolerance):
        raise UsageError(f"--tolerance {tolerance} is no distance; use a number such as 1e-4")
    with tempfile.TemporaryDirectory() as scratch:
        found = held_against(first, second, Path(scratch), tag=tag, other_tag=other_tag, top=top, tolerance=tolerance)
    typer.echo(json.dumps(found.as_json()) if as_json else "\n".join(_lines(found, first, second)))
    if not found.equal:
        raise InputError(f"{first} and {second} differ")


def _lines(found: "Comparison", first: Path, second: Path) -> list[str]:
    same, other = found.tags
    lines = [f"A: {first}, {same}: {found.records[0]:,} records", f"B: {second}, {other}: {found.records[1]:,} records"]
    lines += [f"records only in A: {found.only_first:,}", f"records only in B: {found.only_second:,}"]
    if found.unmarked:
        lines.append(f"records that only one of them scored or explained: {found.unmarked:,}")
    lines.append(f"alleles whose status differs: {sum(found.statuses.values()):,} of {found.alleles:,}")
    lines += [f"  {change}: {number:,}" for change, number in found.statuses.items()]
    lines.append(f"scores further apart than {found.tolerance:g}: {found.differing:,} of {found.scored:,}")
    if found.largest is not None:
        lines.append(f"largest difference: {found.largest:.6g}; mean of B - A: {found.mean_difference:.6g}")
    if found.pearson is not None:
        lines.append(f"Pearson correlation: {found.pearson:.6f}")
    if found.top:
        lines.append("contig\tpos\tref\talt\tA\tB\tB - A")
        lines += [
            f"{d.contig}\t{d.pos}\t{d.ref}\t{d.alt}\t{d.first:.6g}\t{d.second:.6g}\t{d.second - d.first:.6g}"
            for d in found.top
        ]
    return [line.encode("utf-8", "backslashreplace").decode() for line in lines]
