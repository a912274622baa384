"""Measured variants in a table of any columns, as a sorted VCF with the measurement in INFO."""

import dataclasses
import math
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from genomelm.data.prepare import prepare
from genomelm.errors import InputError
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.table import Table, read_table

TAG = "EFFECT"
"""INFO key of the measurement."""


@dataclasses.dataclass(frozen=True)
class Columns:
    """What a table calls its columns; positions are 1-based, and an ALT of `-` deletes the REF."""

    contig: str
    pos: str
    ref: str
    alt: str
    label: str


def assay_vcf(
    path: str | Path, genome: Genome, out: str | Path, columns: Columns, keep: Mapping[str, str], header: int = 1
) -> tuple[int, dict[str, int]]:
    """Write a table's variants as a bgzipped, indexed VCF in the order of the genome; rows are never merged.

    Args:
        path: CSV, TSV (plain or gzip), Parquet, or an Excel sheet (.xlsx; its first sheet).
        genome: whose contigs the variants are on; contig names may be aliases (17 and chr17).
        out: VCF (.vcf.gz).
        columns: of the table.
        keep: column -> value; rows with another value are left out.
        header: line of the header, counted from 1; only an Excel sheet may have lines before it.

    Returns:
        how many variants were written, and reason -> rows that were left out.

    Raises:
        InputError: no such columns, nothing left, or no row on a contig of the genome.
    """
    wanted = [*dataclasses.astuple(columns), *keep]
    table = _sheet(Path(path), wanted, header) if str(path).endswith(".xlsx") else read_table(path, wanted)
    left_out: Counter[str] = Counter()
    order = {name: n for n, name in enumerate(genome.contigs)}
    found = []
    for row in range(len(table.rows)):
        cells = {name: table.columns[name][row] for name in wanted}
        if any(cells[name] != value for name, value in keep.items()):
            left_out["another " + ", ".join(keep)] += 1
            continue
        variant = _variant(genome, *(cells[name] for name in dataclasses.astuple(columns)))
        if isinstance(variant, str):
            left_out[variant] += 1
        else:
            found.append(variant)
    if not found:
        why = ", ".join(f"{reason} ({count})" for reason, count in left_out.items()) or "it has no rows"
        raise InputError(f"{path} gives no variant on {genome.path}: {why}")
    found.sort(key=lambda v: (order[v[0]], *v[1:4]))
    with tempfile.TemporaryDirectory(prefix=f".{Path(out).name}.", dir=Path(out).parent) as folder:
        plain = Path(folder) / "plain.vcf"
        with open(plain, "w", encoding="utf-8") as file:
            file.write("##fileformat=VCFv4.3\n")
            file.writelines(f"##contig=<ID={name},length={length}>\n" for name, length in genome.contigs.items())
            file.write(f'##INFO=<ID={TAG},Number=A,Type=Float,Description="Measured effect">\n')
            file.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
            for contig, pos, ref, alt, label in found:
                file.write(f"{contig}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t{TAG}={label:.6g}\n")
        prepare(plain, out, "variants")
    return len(found), dict(left_out)


def _variant(
    genome: Genome, contig: str, pos: str, ref: str, alt: str, label: str
) -> tuple[str, int, str, str, float] | str:
    """Return a row as (contig, 1-based position, REF, ALT, label), or why it is none."""
    name = genome.resolve(contig.strip())
    if name is None:
        return "contig not in the genome"
    try:
        place, value = int(float(pos)), float(label)
    except ValueError:
        return "no position or label"
    if not math.isfinite(value) or not 1 <= place <= genome.contigs[name]:
        return "no position or label"
    ref, alt = ref.strip().upper(), alt.strip().upper()
    if alt == "-" and ref.isalpha() and place > 1:
        before = genome.fetch(Interval(name, place - 2, place - 1)).upper()
        return name, place - 1, before + ref, before, value
    if not (ref.isalpha() and alt.isalpha()):
        return "alleles that are no letters"
    return name, place, ref, alt, value


def _sheet(path: Path, wanted: list[str], header: int) -> Table:
    """Read columns of an Excel file's first sheet."""
    import pandas as pd

    try:
        frame = pd.read_excel(path, header=header - 1, dtype=str, engine="openpyxl")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} cannot be read as an Excel sheet: {error}") from None
    if missing := [name for name in wanted if name not in frame.columns]:
        columns = ", ".join(map(str, frame.columns))
        raise InputError(f"{path} has no column {', '.join(missing)}; line {header} has: {columns}")
    rows = tuple(f"row {number}" for number in range(header + 1, header + 1 + len(frame)))
    return Table(rows, {name: frame[name].fillna("").str.strip().tolist() for name in wanted})
