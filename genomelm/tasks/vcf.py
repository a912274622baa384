"""Alleles of a VCF with labels: windows of reference and alternate with the change in their middle.

The head keeps the length of these windows, and scores variants in windows of that length.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genomelm.errors import AssemblyError
from genomelm.seq.assemblies import too_many
from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.vcf import VcfReader, name_of, position
from genomelm.seq.window import SCORED, allele_pair
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.faults import Faults
from genomelm.tasks.rows import Rows, examples_of
from genomelm.tasks.table import read_table

log = logging.getLogger(__name__)

KEYS = ("contig", "pos", "ref", "alt")
"""Columns of a label table that name an allele, as the VCF spells it."""


@dataclass(frozen=True)
class _Allele:
    row: str
    variant: Variant
    cells: dict[str, str]  # of the INFO keys that are asked for; without those that are missing


def vcf_examples(
    path: str | Path, genome: Genome, task: TaskConfig, split_file: str | Path | None, labels: str | Path | None
) -> Examples:
    """Read the alleles of a VCF with their labels; sequences are windows of `task.window` bases around each.

    Args:
        labels: table of contig, pos, ref, alt and the label columns; None: the labels are INFO keys, with a value for
            each ALT or one for all. Alleles without a label are left out, and counted.

    Raises:
        InputError: labels of alleles that the VCF does not have, alleles that have no windows (REF is not the genome's,
            the contig is missing, no bases, ...), or labels or a split that cannot be used, all with their lines.
        AssemblyError: so many REF alleles differ from the genome that it is of another assembly.
    """
    faults = Faults(str(path))
    group = [task.split.column] if task.split.column else []
    given = None if labels is None else _label_table(labels, [*task.columns, *group])
    wanted = [*task.columns, *group]
    found, wrong, unlabelled, total = [], {}, 0, 0
    for allele in _alleles(path, wanted if given is None else []):
        total += 1
        v = allele.variant
        cells = allele.cells if given is None else given.pop((v.contig, str(v.pos), v.ref.upper(), v.alt.upper()), {})
        if len(cells) < len(wanted):
            unlabelled += 1
            continue
        pair = allele_pair(genome, v, task.width)
        if pair.status not in SCORED:
            wrong.setdefault(pair.status, []).append(f"{allele.row} ({v})")
        else:
            found.append((allele, cells, pair))
    mismatched = [row for status in ("REF_MISMATCH", "ALT_IS_REF_SWAP") for row in wrong.get(status, [])]
    if too_many(len(mismatched), len(found) + len(mismatched)):
        raise AssemblyError(
            f"{path}: {len(mismatched)} of {len(found) + len(mismatched)} REF alleles differ from {genome.path} "
            f"(first: {mismatched[0]}): is the genome of another assembly? Give the FASTA that the VCF was made on"
        )
    for status, rows in wrong.items():
        hint = ": is the genome of another assembly?" if status in ("REF_MISMATCH", "CONTIG_MISSING") else ""
        faults.rows(f"alleles have no windows, {status}{hint}", rows)
    if given:
        faults.rows(f"labels of {labels} are of alleles that the VCF does not have", [":".join(key) for key in given])
    if not found and not faults:
        faults.say(f"none of its {total:,} alleles has a label ({', '.join(wanted)})")
    faults.tell()
    if unlabelled:
        log.warning(
            "%s: %d of %d alleles have no label (%s) and are left out", path, unlabelled, total, ", ".join(wanted)
        )
    rows = Rows(
        [allele.row for allele, *_ in found],
        [pair.alt for *_, pair in found],
        {name: [cells[name] for _, cells, _ in found] for name in task.columns},
        names=[str(allele.variant) for allele, *_ in found],
        references=[pair.ref for *_, pair in found],
        places=[pair.window for *_, pair in found],
        groups=[cells[group[0]] for _, cells, _ in found] if group else (),
    )
    return examples_of(rows, task, split_file, genome, faults)


def _alleles(path: str | Path, keys: list[str]) -> Iterator[_Allele]:
    """Yield each allele, with its values of INFO keys."""
    reader = VcfReader(path)
    for number, line in reader.records():
        contig, pos, _, ref, alts, _, _, info = line.rstrip(b"\r\n").split(b"\t")[:8]
        values = dict(item.partition(b"=")[::2] for item in info.split(b";"))
        alleles = alts.split(b",")
        for place, alt in enumerate(alleles):
            cells = {}
            for key in keys:
                several = name_of(values.get(key.encode(), b".")).split(",")
                value = several[place] if len(several) == len(alleles) else ",".join(several)
                if value not in ("", "."):
                    cells[key] = value
            variant = Variant(name_of(contig), position(reader, number, pos), name_of(ref), name_of(alt))
            yield _Allele(f"line {number}", variant, cells)


def _label_table(path: str | Path, columns: list[str]) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the labels by contig, pos, ref and alt.

    Raises:
        InputError: a table that cannot be read, or alleles that it has twice.
    """
    table, faults = read_table(path, [*KEYS, *columns]), Faults(str(path))
    found: dict[tuple[str, ...], dict[str, str]] = {}
    twice = []
    for i, row in enumerate(table.rows):
        contig, pos, ref, alt = (table.columns[name][i] for name in KEYS)
        key = (contig, pos, ref.upper(), alt.upper())
        if key in found:
            twice.append(f"{row} ({':'.join(key)})")
        found[key] = {name: table.columns[name][i] for name in columns}
    faults.rows("rows name an allele a second time", twice)
    faults.tell()
    return found
