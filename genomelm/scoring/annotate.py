"""VCF in, annotated VCF out: a score or a reason for every alternative allele.

The file is read twice: once to know that it is whole, sorted and which contigs it names, once to score it. Memory
holds one pool of records, whatever the file's size.
"""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from genomelm.errors import InputError, UsageError
from genomelm.files import digest_of, output_lock, provenance, refuse_inputs, sha256
from genomelm.scoring.allele_scorer import AlleleScorer, descriptions_of, outputs_of, parts_of
from genomelm.scoring.cache import score_cache
from genomelm.scoring.contigs import ContigMap, check_lengths
from genomelm.scoring.gene_regions import GeneRegions
from genomelm.scoring.haplotypes import haplotype_scorer
from genomelm.scoring.header import output_header
from genomelm.scoring.identity import reference_facts, run_identity
from genomelm.scoring.mismatch import MismatchTally
from genomelm.scoring.output import TBI_LIMIT, VcfOutput, refuse_collisions, scratch_folder, vcf_output
from genomelm.scoring.parts import Parts
from genomelm.scoring.percentile import Background
from genomelm.scoring.pools import Counts, Pools
from genomelm.scoring.record import Record, parse
from genomelm.scoring.samples import subset
from genomelm.scoring.scan import Scan
from genomelm.scoring.selection import Selection
from genomelm.scoring.shard import Shard, Statement
from genomelm.scoring.source import is_stream, open_source, sorted_source
from genomelm.scoring.summary import Summary
from genomelm.scoring.survey import Survey, survey
from genomelm.scoring.table import ScoreTable, format_of, score_table
from genomelm.scoring.tags import Tags
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.vcf import VcfReader, name_of

log = logging.getLogger(__name__)

OUTSIDE = ("flag", "drop")


def annotate(
    vcf_in: str | Path,
    genome: Genome,
    scorer: AlleleScorer,
    out: str | Path,
    *,
    table: str | Path | None = None,
    summary: str | Path | None = None,
    gff: str | Path | None = None,
    regions: Sequence[Interval] | None = None,
    outside: str = "flag",
    samples: Sequence[str] | None = None,
    haplotypes: str | None = None,
    shard: Shard | None = None,
    resume: bool = False,
    sort: bool = False,
    cache: str | Path | None = None,
    background: Background | None = None,
    batch_size: int = 512,
    on_ref_mismatch: str = "flag",
    overwrite_info: bool = False,
    prefix: str = "GLM",
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Score every alternative allele of a VCF and write it with INFO tags added; no other column changes.

    Args:
        vcf_in: VCF (plain, gzip or BGZF), BCF, or "-" for standard input; may be `out` itself where that is an earlier
            output, whose tags are then replaced, and nothing is dropped.
        genome: the reference.
        scorer: the model.
        out: bgzipped VCF (.vcf.gz) or BCF (.bcf), complete and indexed when this returns, untouched when it raises; or
            "-": plain text on standard output.
        table: scores as .tsv or .parquet, one row an allele.
        summary: JSON file for the returned summary.
        gff: annotation whose gene and region class of each record go into the table.
        regions: only records that overlap these are scored.
        outside: what becomes of the others: flag (they pass through as NOT_SELECTED) or drop.
        samples: names of the samples whose columns are kept; None: all, byte for byte.
        haplotypes: name of a sample whose phased neighbouring changes are made in both alleles, as `HaplotypeScorer`
            says.
        shard: the share of the records that is scored and written; `merge` joins shares.
        resume: keep finished parts in OUT.parts, and go on behind those that an earlier run left there.
        sort: put the records in order first, if they are not.
        cache: folder of scores that earlier runs computed, which this run adds to.
        background: gives each score's percentile.
        batch_size: alleles that are scored in one call; does not change scores.
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
    out, table = Path(out), None if table is None else Path(table)
    refuse_collisions(vcf_in, genome.path, out, table, summary)
    _check_options(batch_size, outside, resume, gff, out, table)
    tags = Tags.named(scorer.tag, prefix, parts_of(scorer))
    outputs = tags.scores if tags.several else ()
    with contextlib.ExitStack() as stack:
        if not is_stream(out):
            stack.enter_context(output_lock(out))
        scratch = stack.enter_context(scratch_folder(out, table))
        output = stack.enter_context(vcf_output(out))
        reader, given = open_source(vcf_in, scratch)
        own = any(line.startswith(b"##genomelm=") for line in reader.header.lines)
        drops = shard is not None or samples is not None or "drop" in (outside, on_ref_mismatch)
        if not is_stream(vcf_in) and (drops or not own):
            refuse_inputs(out, vcf_in)
        check_lengths(reader.header, genome, reader.path)
        percentile = background is not None
        replaced = tags.replaceable(reader.header, overwrite_info, reader.path, percentile)
        tally = MismatchTally(genome, reader.header, reader.path, on_ref_mismatch)
        found, notes = survey(reader, tags, replaced, percentile), _input_notes(reader)
        if sort and not found.is_sorted:
            reader = sorted_source(reader, scratch)
            found = dataclasses.replace(found, is_sorted=True)
        contigs = ContigMap(genome, reader.header)
        if haplotypes is not None:
            if not found.is_sorted:
                raise UsageError(f"{reader.path} is not sorted, and --haplotypes takes neighbours in order: add --sort")
            made = haplotype_scorer(scorer, reader, genome, contigs, haplotypes, scratch)
            scorer, note = stack.enter_context(made)
            notes.append(note)
        selection = None if regions is None else Selection(regions, genome)
        header, shorten = reader.header, None
        if samples is not None:
            header, shorten = subset(header, samples, reader.path)
        behind = background.provenance if background else {}
        facts = provenance(**reference_facts(genome), **scorer.provenance, **behind)
        kept = stack.enter_context(score_cache(None if cache is None else Path(cache), scorer, genome))
        pools = Pools(genome, scorer, tally, tags, replaced, batch_size, outside == "drop", background, kept)
        first, end = shard.span(found.records) if shard else (0, found.records)

        def records(begin: int) -> Iterator[Record]:
            lines = islice(reader.records(), begin, None if end == found.records else end)
            return (parse(reader, number, line, contigs, selection, shorten) for number, line in lines)

        genes = None if gff is None else GeneRegions(gff, genome)
        scan = Scan(pools, tally, records, first, end, started, progress)
        parts, statement = None, None
        if shard or resume:
            identity = run_identity(
                *(scorer, tags, genome, background, regions, samples),
                **{"outside": outside, "on-ref-mismatch": on_ref_mismatch, "overwrite-info": overwrite_info},
                **{"sort": sort, "batch-size": batch_size},
                **({} if haplotypes is None else {"haplotypes": digest_of([haplotypes])}),
            )
            source = sha256(given)
            folder = Path(f"{out}.parts") if resume else scratch / "parts"
            parts = Parts(folder, {"input": source, "shard": str(shard), **identity})
            scan.into_parts(parts)
            if shard:
                place = (shard, first, end, found.records, pools.counts.dropped)
                settings = {name: digest_of(value)[:8] for name, value in identity.items()}
                run = (source, digest_of(identity), tally.counts, settings, outputs)
                statement = Statement(tags.scores[0], *place, *run).line()
        lacking = _undeclared(found, contigs, genome)
        about = (descriptions_of(scorer), facts, percentile, statement, [one.name for one in outputs_of(scorer)])
        output.write(output_header(header, tags, replaced, lacking, *about))
        with score_table(table, facts, tags, contigs, percentile, genes) as rows:
            written = _write(parts.texts() if parts else scan.texts(), output, rows)
            _check_counts(reader, out, pools.counts, end - first, written)
            index = output.finish(found.is_sorted, _longest(found, contigs, genome) > TBI_LIMIT)
        if parts:
            parts.remove()
    if kept is not None:
        log.info("%s: %d scores taken up, %d computed", cache, kept.found, kept.computed)
    notes += _output_notes(found, selection, index, is_stream(out))
    for note in notes:
        log.warning("%s", note)
    result = Summary.of(pools.counts, written, on_ref_mismatch, scan.seconds, out, index, table, notes, facts, outputs)
    if summary is not None:
        result.write(summary)
    return result


def _write(texts: Iterator[bytes], output: VcfOutput, rows: ScoreTable | None) -> int:
    """Write lines to the output and the table; return how many reached the output."""
    before = output.lines
    for text in texts:
        output.write(text)
        if rows is not None:
            rows.add(text)
    return output.lines - before


def _check_counts(reader: VcfReader, out: Path, counts: Counts, wanted: int, written: int) -> None:
    """Hold records read, written and dropped against each other; each is counted by itself."""
    if counts.records != wanted:
        raise InputError(f"{reader.path} changed while it was read; run again when nothing writes to it")
    text = f"{counts.records} records read, {written} written, {counts.dropped} dropped on request"
    assert counts.records == written + counts.dropped, f"{out}: {text}: the rest was lost"


def _check_options(
    batch_size: int, outside: str, resume: bool, gff: str | Path | None, out: Path, table: Path | None
) -> None:
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size} is too small; use 1 or more")
    if outside not in OUTSIDE:
        raise UsageError(f"--outside '{outside}' is unknown; choose {', '.join(OUTSIDE)}")
    if resume and is_stream(out):
        raise UsageError("--resume keeps parts beside the output, and standard output has no place: name a file")
    if gff is not None and table is None:
        raise UsageError("--gff adds columns to the table: give --table too")
    if table is not None:
        format_of(table)


def _undeclared(found: Survey, contigs: ContigMap, genome: Genome) -> dict[str, int | None]:
    """Contigs that records name but the header does not, with their length in the genome where it has them."""
    missing = {name_of(raw): contigs[raw] for raw in found.contigs if name_of(raw) not in contigs.declared}
    return {name: genome.contigs[own] if own else None for name, own in missing.items()}


def _longest(found: Survey, contigs: ContigMap, genome: Genome) -> int:
    """Return the largest length or position that an index must hold."""
    lengths = [*contigs.declared.values(), *_undeclared(found, contigs, genome).values()]
    return max([0, found.furthest, *(length for length in lengths if length is not None)])


def _input_notes(reader: VcfReader) -> list[str]:
    notes = []
    if reader.compression == "gzip":
        notes.append(f"{reader.path} is plain gzip, not bgzip: the output is bgzip")
    if reader.no_final_newline:
        notes.append(
            f"{reader.path} ends without a newline: its columns are complete, but check that nothing is missing"
        )
    return notes


def _output_notes(found: Survey, selection: Selection | None, index: Path | None, streamed: bool) -> list[str]:
    notes = []
    if not found.is_sorted:
        notes.append("the records are not sorted: they keep their order, and no index is written (--sort sorts them)")
    elif index is None and not streamed:
        notes.append("htslib could not index the records (a position or END that it refuses): no index is written")
    return notes if selection is None else notes + selection.notes
