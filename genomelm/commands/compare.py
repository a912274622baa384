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
        list[str] | None,
        typer.Option("--tag", help="INFO tag of a score; repeatable (default: all that both files have)."),
    ] = None,
    other_tag: Annotated[str | None, typer.Option("--other-tag", help="That of B, where it is another.")] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="Largest differences to list.")] = 10,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0, help="Distance up to which scores are equal.")
    ] = 1e-4,
    as_json: Json = False,
) -> None:
    """Print records that are missing, statuses and scores that differ; exit 3 unless all is equal.

    Several scores, such as those of a model's outputs, are joined by their tags and told one after the other.
    """
    from genomelm.errors import InputError, UsageError
    from genomelm.scoring.compare import compare_all

    if other_tag is not None and len(tag or ()) != 1:
        raise UsageError("--other-tag names B's score; name A's with one --tag")
    if not math.isfinite(tolerance):
        raise UsageError(f"--tolerance {tolerance} is no distance; use a number such as 1e-4")
    with tempfile.TemporaryDirectory() as scratch:
        options = {"tags": tag or (), "other_tag": other_tag, "top": top, "tolerance": tolerance}
        found = compare_all(first, second, Path(scratch), **options)
    equal = all(one.equal for one in found)
    if as_json:
        each = [one.as_json() for one in found]
        typer.echo(json.dumps({"equal": equal, "scores": each} if len(each) > 1 else each[0]))
    else:
        typer.echo("\n\n".join("\n".join(_lines(one, first, second)) for one in found))
    if not equal:
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
