"""The changes that a sample's haplotypes carry, on disk while a run lasts: read once, asked for by place."""

import functools
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genomelm.errors import InputError, ResourceError
from genomelm.scoring.contigs import ContigMap
from genomelm.scoring.haplotypes_calls import Call, read_call, sample_column
from genomelm.scoring.haplotypes_windows import overlaps
from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.vcf import VcfReader, name_of, position
from genomelm.seq.vcf_block import Block
from genomelm.seq.window import Change, written_change

_CELL = 1 << 14  # bases that are looked up at a time
_NOTHING = frozenset({b"0|0", b"0/0", b"./.", b".|.", b"0", b"."})


class Placed(NamedTuple):
    """A change and where it stands.

    Args:
        number: order in the file.
        change: place, and the letters there of reference and alternative, as written, common ends trimmed.
        held: haplotypes that carry it, as bits; -1: all.
        made: those of them on which no earlier change overlaps it.
        phase_set: PS; None where it is missing.
    """

    number: int
    change: Change
    held: int
    made: int
    phase_set: bytes | None

    @property
    def is_on_all(self) -> bool:
        """Whether every haplotype carries it."""
        return self.held == -1


class SampleChanges:
    """The phased, homozygous and haploid changes of one sample.

    Args:
        reader: sorted records.
        genome, contigs: of the run.
        sample: as the #CHROM line spells it.
        scratch: folder for a file that is removed with it; nothing else holds genotypes.

    Attributes:
        counts: changes "taken", and calls or changes that were left out: "unphased", "overlapping", "unusable" (not
            letters, or REF unlike the reference), "unreadable".
        haplotypes: most haplotypes of a call.

    Raises:
        UsageError: the file has no such sample.
        InputError: no heterozygous call is phased, or one contig has two names.
        ResourceError: the folder is full.
    """

    def __init__(self, reader: VcfReader, genome: Genome, contigs: ContigMap, sample: str, scratch: Path) -> None:
        self._genome, self._contigs, self._path = genome, contigs, reader.path
        self._column = sample_column(reader.header, sample, reader.path)
        self.counts: Counter[str] = Counter()
        self.haplotypes = 1
        self._connection = sqlite3.connect(scratch / "haplotypes.sqlite")
        self._cell = functools.lru_cache(maxsize=16)(self._read_cell)
        try:
            self._fill(reader)
        except sqlite3.OperationalError as error:
            raise ResourceError(f"{scratch}: the sample's haplotypes cannot be kept there ({error})") from None
        if self.counts["unphased"] and not self.counts["phased"]:
            raise InputError(
                f"{reader.path}: none of the {self.counts['unphased']:,} heterozygous calls of --haplotypes' sample is "
                "phased (0|1): phase the VCF first, or leave the option out"
            )

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    @property
    def note(self) -> str:
        """What was taken and left out, as a line for the user."""
        counts = self.counts
        return (
            f"--haplotypes: {counts['taken']:,} changes of the sample are neighbours; left out: {counts['unphased']:,} "
            f"heterozygous calls without phase, {counts['overlapping']:,} changes that overlap an earlier one, "
            f"{counts['unusable']:,} alleles that are no sequence or not of this reference, {counts['unreadable']:,} "
            "calls that cannot be read"
        )

    def near(self, contig: str, start: int, end: int) -> list[Placed]:
        """Return the changes that touch [start, end], 0-based, by place; also beyond the ends of a circular contig."""
        if contig not in self._genome.circular:
            return self._near(contig, start, end)
        found = []
        length = self._genome.contigs[contig]
        for turn in range((start - length) // length * length, end + 1, length):
            for placed in self._near(contig, start - turn, end - turn):
                place, ref, alt = placed.change
                found.append(placed._replace(change=(place + turn, ref, alt)))
        return found

    def held(self, contig: str, change: Change) -> Placed | None:
        """Return a change as the sample carries it, by the first record that has it; None where none has."""
        start = change[0]
        return next((placed for placed in self._near(contig, start, start) if placed.change == change), None)

    def _near(self, contig: str, start: int, end: int) -> list[Placed]:
        cells = range(max(start, 0) // _CELL, max(end, 0) // _CELL + 1)
        found = {placed.number: placed for cell in cells for placed in self._cell(contig, cell)}
        touching = [p for p in found.values() if p.change[0] <= end and p.change[0] + len(p.change[1]) >= start]
        return sorted(touching, key=lambda p: (p.change[0], len(p.change[1]), p.number))

    def _read_cell(self, contig: str, cell: int) -> list[Placed]:
        rows = self._connection.execute(
            "SELECT number, start, ref, alt, held, made, phase_set FROM changes WHERE contig = ? AND cell = ?",
            (contig.encode("utf-8", "surrogateescape"), cell),
        )
        return [Placed(number, (start, ref, alt), *rest) for number, start, ref, alt, *rest in rows]

    def _fill(self, reader: VcfReader) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = OFF")
        run("PRAGMA synchronous = OFF")
        run(
            "CREATE TABLE changes (contig BLOB, cell INTEGER, number INTEGER, start INTEGER, ref TEXT, alt TEXT, "
            "held INTEGER, made INTEGER, phase_set BLOB, PRIMARY KEY (contig, cell, number)) WITHOUT ROWID"
        )
        rows = self._rows(reader)
        self._connection.executemany("INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._connection.commit()

    def _rows(self, reader: VcfReader) -> Iterator[tuple]:
        """Yield a row for each cell that a change touches."""
        last, recent, names, count = None, [], {}, 0
        for contig_name, pos, ref, alts, call in self._calls(reader):
            contig = self._contigs[contig_name]
            if contig is None:
                continue
            if names.setdefault(contig, contig_name) != contig_name:
                raise InputError(
                    f"{self._path} calls {contig} both '{name_of(names[contig])}' and '{name_of(contig_name)}': "
                    "--haplotypes needs one name (bcftools annotate --rename-chrs)"
                )
            if contig != last:
                last, recent = contig, []
            recent = [item for item in recent if item[0][0] + len(item[0][1]) >= pos - 1]
            for allele in call.alternatives:
                alt = alts[allele - 1]
                if alt == b"*":  # the deletion that it tells of has a record of its own
                    continue
                change = written_change(self._genome, Variant(contig, pos, name_of(ref), name_of(alt)))
                if change is None:
                    self.counts["unusable"] += 1
                    continue
                held = -1 if call.is_same else call.haplotypes_of(allele)
                made = held
                for other, there in recent:
                    if overlaps(change, other):
                        made &= ~there
                self.counts["overlapping"] += made != held
                self.counts["taken"] += made & ((1 << len(call.alleles)) - 1) != 0
                recent.append((change, made))
                start, end = change[0], change[0] + len(change[1])
                raw = contig.encode("utf-8", "surrogateescape")
                for cell in range(start // _CELL, end // _CELL + 1):
                    yield raw, cell, count, *change, held, made, call.phase_set
                count += 1

    def _calls(self, reader: VcfReader) -> Iterator[tuple[bytes, int, bytes, list[bytes], Call]]:
        """Yield contig, POS, REF, ALTs and call of each record whose alternative alleles have a haplotype."""
        for block in reader.blocks():
            for line, text in enumerate(_column(block, self._column)):
                if text.split(b":", 1)[0] in _NOTHING:
                    continue
                tabs = block.tabs[line]
                start = block.text.rfind(b"\n", 0, int(tabs[0])) + 1
                fields = block.text[start : tabs[8]].split(b"\t")
                alts = fields[4].split(b",")
                try:
                    call = read_call(fields[8], text, len(alts))
                except ValueError:
                    self.counts["unreadable"] += 1
                    continue
                if call is None:
                    continue
                self.haplotypes = max(self.haplotypes, len(call.alleles))
                if call.is_same or call.phased:
                    self.counts["phased"] += not call.is_same
                    yield fields[0], position(reader, block.number + line, fields[1]), fields[3], alts, call
                else:
                    self.counts["unphased"] += 1


def _column(block: Block, number: int) -> Iterator[bytes]:
    """Yield a sample's column of each line."""
    starts = block.tabs[:, number - 1] + 1
    if number < block.tabs.shape[1]:
        ends = block.tabs[:, number]
    else:
        ends = np.append(block.starts[1:], len(block.text)) - 1
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield block.text[start:end].rstrip(b"\r")
