"""Shares of one scored VCF, joined: nothing may be missing, nothing there twice."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genomelm.errors import InputError, UsageError
from genomelm.files import output_lock, provenance, write_json
from genomelm.scoring.header import without_statement
from genomelm.scoring.mismatch import check_sums
from genomelm.scoring.output import TBI_LIMIT, check_output, scratch_folder, vcf_output
from genomelm.scoring.shard import Statement
from genomelm.scoring.shares import complete
from genomelm.scoring.source import is_stream, open_source
from genomelm.scoring.table import score_table, statuses_of
from genomelm.scoring.tags import SOURCE, Tags
from genomelm.seq.vcf import VcfReader, position
from genomelm.seq.window import SCORED, STATUSES

_BYTES = 1 << 20  # of lines written at a time


@dataclass(frozen=True)
class Merged:
    """What was joined.

    Args:
        parts: shares.
        records_in, records_out, dropped: of the input, of the output, and left out on request by the shares.
        alleles, scored, statuses: as in a run's own summary.
        output, index, table: paths; None where there is none.
        input, run: digests of the scored VCF and of what decided its scores.
        provenance: version, command.
        outputs: tags of the scores of a model with several outputs.
    """

    parts: int
    records_in: int
    records_out: int
    dropped: int
    alleles: int
    scored: int
    statuses: dict[str, int]
    output: str
    index: str | None
    table: str | None
    input: str
    run: str
    provenance: dict = field(default_factory=dict)
    outputs: tuple[str, ...] = ()

    def as_json(self) -> dict:
        """Return plain JSON values."""
        return {name: value for name, value in vars(self).items() if name != "outputs" or value}


@dataclass(frozen=True)
class _Part:
    path: Path
    reader: VcfReader
    statement: Statement

    @property
    def form(self) -> list[bytes]:
        """Header lines that all shares have."""
        return [
            *(line for line in self.reader.header.lines if not line.startswith(b"##genomelm")),
            self.reader.header.columns,
        ]


def merge(
    parts: Sequence[str | Path],
    out: str | Path,
    *,
    table: str | Path | None = None,
    summary: str | Path | None = None,
) -> Merged:
    """Join the outputs of `genomelm score --shard` in the order of their shares, whatever the order of `parts`.

    The body is that of a run on the whole input, byte for byte, and so is the header, save for lines of provenance.

    Args:
        parts: one file a share.
        out: as that of `annotate`.
        table: the scores of all, as .tsv or .parquet.
        summary: JSON file for what is returned.

    Raises:
        InputError: a share is missing or there twice, does not hold its records, or is of another input or run.
        UsageError: an output that is in the way.
        AssemblyError: too many REF alleles of all shares together differ from the reference.
    """
    out, table = Path(out), None if table is None else Path(table)
    _check_outputs(parts, out, table, summary)
    with contextlib.ExitStack() as stack:
        if not is_stream(out):
            stack.enter_context(output_lock(out))
        scratch = stack.enter_context(scratch_folder(out, table))
        output = stack.enter_context(vcf_output(out))
        shares = complete(_opened(parts, scratch))
        first = shares[0]
        check_sums((share.statement.mismatches for share in shares), out)
        order, counts = _Order(), Counter()
        outputs = first.statement.outputs
        tags = Tags.in_header(first.reader.header, outputs or [first.statement.tag], first.path, bool(outputs))
        facts = provenance(input=first.statement.source, run=first.statement.run)
        percentile = any(
            (line.fields.get("ID"), line.fields.get("Source")) == (tags.percentiles[0], SOURCE)
            for line in first.reader.header.structured("INFO")
        )
        output.write(without_statement(first.reader.header))
        with score_table(table, facts, tags, percentile=percentile) as rows:
            for text in (text for share in shares for text in _texts(share, order)):
                output.write(text)
                counts.update(statuses_of(text, tags))
                if rows is not None:
                    rows.add(text)
            lengths = [length for length in first.reader.header.contig_lengths().values() if length is not None]
            index = output.finish(order.is_sorted, max([0, order.furthest, *lengths]) > TBI_LIMIT)
    dropped = sum(share.statement.dropped for share in shares)
    found = Merged(
        parts=len(shares),
        records_in=first.statement.records,
        records_out=first.statement.records - dropped,
        dropped=dropped,
        alleles=counts.total(),
        scored=sum(counts[status] for status in SCORED),
        statuses={status: counts[status] for status in STATUSES if counts[status]},
        output=str(out),
        index=None if index is None else str(index),
        table=None if table is None else str(table),
        input=first.statement.source,
        run=first.statement.run,
        provenance=facts,
        outputs=outputs,
    )
    if summary is not None:
        write_json(summary, found.as_json())
    return found


def _check_outputs(parts: Sequence[str | Path], out: Path, table: Path | None, summary: str | Path | None) -> None:
    if not parts:
        raise UsageError("no part is given; name the outputs of `genomelm score --shard`")
    taken = {Path(part).resolve(): f"part {part}" for part in parts}
    for name, path in (("output", out), ("table", table), ("summary", summary)):
        if path is None or is_stream(path):
            continue
        place = Path(path).resolve()
        if place in taken:
            raise UsageError(f"{name} {path} is {taken[place]} as well; choose another name")
        taken[place] = f"the {name}"
        check_output(place, name)


def _opened(parts: Sequence[str | Path], scratch: Path) -> list[_Part]:
    opened = []
    for number, part in enumerate(parts):
        folder = scratch / str(number)
        folder.mkdir()
        reader, _ = open_source(part, folder)
        opened.append(_Part(Path(part), reader, Statement.of(reader.header, part)))
    return opened


@dataclass
class _Order:
    """Whether the records are sorted: each contig in one block, positions never falling."""

    is_sorted: bool = True
    furthest: int = 0
    contig: bytes = b""
    last: int = 0
    seen: set[bytes] = field(default_factory=set)

    def add(self, contig: bytes, pos: int) -> None:
        if contig != self.contig:
            self.is_sorted = self.is_sorted and contig not in self.seen
            self.seen.add(contig)
            self.contig = contig
        elif pos < self.last:
            self.is_sorted = False
        self.last = pos
        self.furthest = max(self.furthest, pos)


def _texts(part: _Part, order: _Order) -> Iterator[bytes]:
    """Yield a share's lines in blocks, and hold their number against its statement."""
    block, size, records = [], 0, 0
    for number, line in part.reader.records():
        contig, pos, _ = line.split(b"\t", 2)
        order.add(contig, position(part.reader, number, pos))
        records += 1
        block.append(line)
        size += len(line)
        if size >= _BYTES:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)
    said = part.statement
    wanted = said.end - said.first - said.dropped
    if records != wanted:
        raise InputError(
            f"{part.path} (shard {said.shard}) holds {records:,} of the {wanted:,} records that its header states: "
            "score the shard again"
        )
