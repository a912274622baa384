"""VCF in, annotated VCF out: a score or a reason for every alternative allele.

The file is read twice: once to know that it is whole, sorted and which contigs it names, once to score it. Memory
holds one pool of records, whatever the file's size.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.files import output_lock, provenance
from genomelm.scoring.allele_scorer import AlleleScorer
from genomelm.scoring.contigs import ContigMap, check_lengths
from genomelm.scoring.header import output_header
from genomelm.scoring.mismatch import MismatchTally
from genomelm.scoring.output import TBI_LIMIT, VcfOutput, check_output, vcf_output
from genomelm.scoring.record import Record, finite, parse
from genomelm.scoring.selection import Selection
from genomelm.scoring.summary import Summary
from genomelm.scoring.survey import Survey, survey
from genomelm.scoring.table import score_table
from genomelm.scoring.tags import Tags
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.vcf import VcfReader, name_of
from genomelm.seq.window import SCORED, STATUSES, AllelePair

log = logging.getLogger(__name__)

_POOL_BATCHES = 8  # batches of alleles scored in one go
_POOL_RECORDS = 2048
_POOL_BYTES = 1 << 24


def annotate(
    vcf_in: str | Path,
    genome: Genome,
    scorer: AlleleScorer,
    out: str | Path,
    *,
    table: str | Path | None = None,
    summary: str | Path | None = None,
    regions: Sequence[Interval] | None = None,
    batch_size: int = 64,
    on_ref_mismatch: str = "flag",
    overwrite_info: bool = False,
    prefix: str = "GLM",
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Score every alternative allele of a VCF and write it with INFO tags added; no other column changes.

    Args:
        vcf_in: plain, gzip or BGZF; may be `out` itself, whose own tags are then replaced.
        genome: the reference.
        scorer: the model.
        out: bgzipped VCF (.vcf.gz); complete and indexed when this returns, untouched when it raises.
        table: tab-separated scores, one row an allele.
        summary: JSON file for the returned summary.
        regions: only records that overlap these are scored; the others pass through as NOT_SELECTED.
        batch_size: allele pairs a call of the scorer.
        on_ref_mismatch: flag, error or drop.
        overwrite_info: replace tags of our names that another program wrote.
        prefix: first part of the tags.
        progress: called with (records done, records in all).

    Raises:
        InputError: the VCF is empty, truncated or damaged.
        UsageError: an option, an INFO tag or an output that is in the way.
        AssemblyError: the VCF and the reference are not of one assembly.
    """
    started = time.monotonic()
    out = Path(out)
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size} is too small; use 1 or more")
    _refuse_collisions(vcf_in, genome, out, table, summary)
    tags = Tags.named(scorer.tag, prefix)
    with output_lock(out), vcf_output(out) as output:
        reader = VcfReader(vcf_in)
        check_lengths(reader.header, genome, reader.path)
        replaced = tags.replaceable(reader.header, overwrite_info, reader.path)
        tally = MismatchTally(genome, reader.header, reader.path, on_ref_mismatch)
        found = survey(reader, tags, replaced)
        contigs = ContigMap(genome, reader.header)
        selection = None if regions is None else Selection(regions, genome)
        facts = provenance(reference=genome.digest, **scorer.provenance)
        undeclared = _undeclared(found, contigs, genome)
        output.write(output_header(reader.header, tags, replaced, undeclared, scorer.description, facts))
        run = _Run(genome, scorer, tally, output, tags, replaced, batch_size)
        with score_table(None if table is None else Path(table), facts) as rows:
            for done in run.pass_through(_records(reader, contigs, selection), rows):
                if progress:
                    progress(done, found.records)
            if run.records_in != found.records:
                raise InputError(f"{reader.path} changed while it was read; run again when nothing writes to it")
            counts = f"{run.records_in} records read, {run.records_out} written, {run.dropped} dropped on request"
            assert run.records_in == run.records_out + run.dropped, f"{out}: {counts}: the rest was lost"
            longest = max([0, found.furthest, *_lengths(contigs, undeclared)])
            index = output.finish(found.is_sorted, longest > TBI_LIMIT)
        notes = _warnings(reader, found, selection, index)
    for note in notes:
        log.warning("%s", note)
    result = run.summary(time.monotonic() - started, out, index, table, notes, facts)
    if summary is not None:
        result.write(summary)
    return result


class _Run:
    """The second pass: pools of records are scored in batches and written in order."""

    def __init__(
        self,
        genome: Genome,
        scorer: AlleleScorer,
        tally: MismatchTally,
        output: VcfOutput,
        tags: Tags,
        replaced: frozenset[bytes],
        batch_size: int,
    ) -> None:
        self._genome, self._scorer, self._tally, self._output = genome, scorer, tally, output
        self._tags, self._replaced, self._batch_size = tags, replaced, batch_size
        self._header_lines = output.lines
        self.records_in = self.dropped = 0
        self.statuses: Counter[str] = Counter()
        self.sites: Counter[str] = Counter()

    @property
    def records_out(self) -> int:
        """Records in the output so far."""
        return self._output.lines - self._header_lines

    def pass_through(self, records: Iterator[Record], rows: BinaryIO | None) -> Iterator[int]:
        """Score and write the records; yield how many were read after each pool."""
        pool: list[Record] = []
        scored = size = 0
        for record in records:
            self.records_in += 1
            if record.alts:
                if self._prepare(record):
                    self.dropped += 1
                    continue
                scored += sum(pair.status in SCORED for pair in record.pairs)
            pool.append(record)
            size += len(record.rest) + len(record.info)
            if scored >= self._batch_size * _POOL_BATCHES or len(pool) >= _POOL_RECORDS or size >= _POOL_BYTES:
                self._flush(pool, rows)
                pool, scored, size = [], 0, 0
                yield self.records_in
        self._flush(pool, rows)
        yield self.records_in

    def _prepare(self, record: Record) -> bool:
        """Make the alleles' windows; return whether the record is dropped."""
        variants = [record.variant(alt) for alt in record.alts]
        if record.contig is None:
            record.pairs = [AllelePair(variant, "CONTIG_MISSING") for variant in variants]
            return False
        record.pairs = [self._scorer.pair(self._genome, variant) for variant in variants]
        return self._tally.add(variants[0], {pair.status for pair in record.pairs})

    def _flush(self, pool: list[Record], rows: BinaryIO | None) -> None:
        pairs = [pair for record in pool for pair in record.pairs if pair.status in SCORED]
        scores = iter(self._scores(pairs))
        written = []
        for record in pool:
            if record.pairs:
                record.scores = [finite(next(scores)) if pair.status in SCORED else None for pair in record.pairs]
                self.statuses.update(record.statuses)
            if record.site:
                self.sites[record.site] += 1
            written.append(record.line(self._tags, self._replaced))
            if rows is not None and record.pairs:
                rows.write(record.rows())
        self._output.write(b"".join(written))

    def _scores(self, pairs: list[AllelePair]) -> list[float]:
        scores: list[float] = []
        for start in range(0, len(pairs), self._batch_size):
            batch = pairs[start : start + self._batch_size]
            values = np.asarray(self._scorer.score(batch), np.float64)
            assert values.shape == (len(batch),), f"scorer gave shape {values.shape} for {len(batch)} pairs"
            scores.extend(values.tolist())
        return scores

    def summary(
        self, seconds: float, out: Path, index: Path | None, table: str | Path | None, notes: list[str], facts: dict
    ) -> Summary:
        """Return what the pass did."""
        scored = sum(self.statuses[status] for status in SCORED)
        return Summary(
            records_in=self.records_in,
            records_out=self.records_out,
            dropped=self.dropped,
            on_ref_mismatch=self._tally.on_mismatch,
            alleles=self.statuses.total(),
            scored=scored,
            statuses={status: self.statuses[status] for status in STATUSES if self.statuses[status]},
            sites=dict(sorted(self.sites.items())),
            seconds=round(seconds, 3),
            rate=round(scored / seconds, 1) if seconds else 0.0,
            output=str(out),
            index=None if index is None else str(index),
            table=None if table is None else str(table),
            warnings=tuple(notes),
            provenance=facts,
        )


def _records(reader: VcfReader, contigs: ContigMap, selection: Selection | None) -> Iterator[Record]:
    return (parse(reader, number, line, contigs, selection) for number, line in reader.records())


def _undeclared(found: Survey, contigs: ContigMap, genome: Genome) -> dict[str, int | None]:
    """Contigs that records name but the header does not, with their length in the genome where it has them."""
    missing = {name_of(raw): contigs[raw] for raw in found.contigs if name_of(raw) not in contigs.declared}
    return {name: genome.contigs[own] if own else None for name, own in missing.items()}


def _lengths(contigs: ContigMap, undeclared: dict[str, int | None]) -> list[int]:
    return [length for lengths in (contigs.declared, undeclared) for length in lengths.values() if length is not None]


def _refuse_collisions(
    vcf_in: str | Path, genome: Genome, out: Path, table: str | Path | None, summary: str | Path | None
) -> None:
    places = [("output", out), ("table", table), ("summary", summary)]
    taken = {genome.path.resolve(): "reference"}
    if table is not None or summary is not None:
        taken[Path(vcf_in).resolve()] = "input VCF"
    for name, path in places:
        if path is None:
            continue
        place = Path(path).resolve()
        if place in taken and not (name == "output" and taken[place] == "input VCF"):
            raise UsageError(f"{name} {path} is the {taken[place]} as well; choose another name")
        taken[place] = name
        check_output(place, name)


def _warnings(reader: VcfReader, found: Survey, selection: Selection | None, index: Path | None) -> list[str]:
    notes = []
    if reader.compression == "gzip":
        notes.append(f"{reader.path} is plain gzip, not bgzip: the output is bgzip")
    if reader.no_final_newline:
        notes.append(
            f"{reader.path} ends without a newline: its columns are complete, but check that nothing is missing"
        )
    if not found.is_sorted:
        notes.append(
            "the records are not sorted: they keep their order, and no index is written (sort with bcftools sort)"
        )
    elif index is None:
        notes.append("htslib could not index the records (a position or END that it refuses): no index is written")
    return notes if selection is None else notes + selection.notes
