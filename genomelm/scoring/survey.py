"""A first pass over a VCF: is it whole, what does it name, is it sorted. Nothing is scored before it ends well."""

from dataclasses import dataclass

import numpy as np

from genomelm.errors import UsageError
from genomelm.scoring.tags import Tags
from genomelm.seq.vcf import VcfReader, position
from genomelm.seq.vcf_block import Block


@dataclass(frozen=True)
class Survey:
    """What the records of a VCF are like.

    Args:
        records: number of data lines.
        contigs: the names in the first column, in order of appearance.
        is_sorted: each contig in one block, positions never falling.
        furthest: the largest position.
    """

    records: int
    contigs: tuple[bytes, ...]
    is_sorted: bool
    furthest: int


def survey(reader: VcfReader, tags: Tags, replaced: frozenset[bytes], percentile: bool = False) -> Survey:
    """Read all records once.

    Args:
        tags: of the run.
        replaced: tags whose old values are taken out.
        percentile: whether percentiles are written.

    Raises:
        InputError: truncated or damaged, or a POS that is not a whole number.
        UsageError: a record has one of our tags, and nothing shows that an earlier run wrote it.
    """
    seen: dict[bytes, None] = {}
    records, furthest, is_sorted = 0, 0, True
    contig, last = b"", 0
    foreign = {tag.encode() for tag in tags.types(percentile)} - replaced
    marker = tags.status.removesuffix("STATUS").encode()  # the tags share it: one quick look a block
    for block in reader.blocks():
        positions = _positions(reader, block)
        for name, first, end in block.contigs():
            part = positions[first:end]
            if name != contig:
                is_sorted = is_sorted and name not in seen
                seen[name] = None
                contig, last = name, 0
            is_sorted = is_sorted and part[0] >= last and bool((part[1:] >= part[:-1]).all())
            last = int(part[-1])
        furthest = max(furthest, int(positions.max()))
        records += len(positions)
        if foreign and marker in block.text:
            for number, line in block.lines():
                _refuse_foreign(reader, number, line, foreign)
    return Survey(records, tuple(seen), is_sorted, furthest)


def _positions(reader: VcfReader, block: Block) -> np.ndarray:
    """Return POS of each line, int64."""
    found = block.positions()
    if found is None:
        found = np.array([position(reader, number, line.split(b"\t", 2)[1]) for number, line in block.lines()], object)
    return found


def _refuse_foreign(reader: VcfReader, number: int, line: bytes, foreign: set[bytes]) -> None:
    info = line.split(b"\t", 8)[7].rstrip(b"\r\n")
    for item in info.split(b";"):
        tag = item.partition(b"=")[0]
        if tag in foreign:
            raise UsageError(
                f"{reader.path}:{number} already has INFO tag {tag.decode()}, which the header does not "
                "show to be genomelm's; use --overwrite-info or another --prefix"
            )
