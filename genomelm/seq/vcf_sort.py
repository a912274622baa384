"""Sorting a VCF of any size by contig and position, every line kept byte for byte.

Runs that fit into memory are sorted and put aside, and merged at the end. Records at one position keep their order.
"""

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from genomelm.seq.vcf import VcfReader, position, raw_of

RUN_BYTES = 1 << 26  # lines sorted at a time


class _Place(NamedTuple):
    """Where a line belongs: rank of its contig, position, and its number in the file, which no two lines share."""

    contig: int
    pos: int
    number: int


def sort_vcf(reader: VcfReader, target: Path, scratch: Path) -> None:
    """Write the file of `reader` to `target` as plain text, sorted.

    Contigs go in the order in which the header declares them, undeclared ones behind, as they appear.

    Args:
        target: file to write.
        scratch: folder for the sorted runs; what is put there is removed.
    """
    ranks = {raw_of(name): rank for rank, name in enumerate(reader.header.contig_lengths())}
    runs = [_write_run(lines, scratch / f"run{number}") for number, lines in enumerate(_runs(reader, ranks))]
    with open(target, "wb") as out:
        out.write(b"".join(reader.header.lines) + reader.header.columns)
        for _, line in heapq.merge(*map(_read_run, runs)):
            out.write(line)
    for run in runs:
        run.unlink()


def _runs(reader: VcfReader, ranks: dict[bytes, int]) -> Iterator[list[tuple[_Place, bytes]]]:
    """Yield sorted lists of lines; contigs that were not seen before are given the next rank."""
    run: list[tuple[_Place, bytes]] = []
    size = 0
    for number, line in reader.records():
        contig, pos, _ = line.split(b"\t", 2)
        rank = ranks.setdefault(contig, len(ranks))
        run.append((_Place(rank, position(reader, number, pos), number), line))
        size += len(line)
        if size >= RUN_BYTES:
            yield sorted(run)
            run, size = [], 0
    if run:
        yield sorted(run)


def _write_run(lines: list[tuple[_Place, bytes]], path: Path) -> Path:
    with open(path, "wb") as out:
        for place, line in lines:
            out.write(b"%d %d %d " % place + line)
    return path


def _read_run(path: Path) -> Iterator[tuple[_Place, bytes]]:
    with open(path, "rb") as stream:
        for text in stream:
            contig, pos, number, line = text.split(b" ", 3)
            yield _Place(int(contig), int(pos), int(number)), line
