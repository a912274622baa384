"""A table of variants in, the same table with a status and a score a row out: for proteins, transcripts and genomes."""

import csv
import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import AssemblyError, InputError, UsageError
from genomelm.files import digest_of, output_lock, provenance, sha256
from genomelm.scoring.allele_scorer import descriptions_of, parts_of
from genomelm.scoring.cache import score_cache
from genomelm.scoring.identity import reference_facts, run_identity
from genomelm.scoring.mismatch import MISMATCHES
from genomelm.scoring.pair_scorer import WindowScorer
from genomelm.scoring.record import Row, finite_row, score_text
from genomelm.scoring.self_test import check_device
from genomelm.scoring.shard import Shard, Statement
from genomelm.scoring.stated_table import refuse_table_collisions, stated_table
from genomelm.scoring.summary import Summary
from genomelm.scoring.tags import Tags
from genomelm.seq.assemblies import too_many
from genomelm.seq.genome import Genome
from genomelm.seq.variant import Variant
from genomelm.seq.variant_names import variant_of
from genomelm.seq.window import SCORED, STATUSES, AllelePair
from genomelm.tasks.table import Table, read_table, separator_hint

log = logging.getLogger(__name__)

SUFFIXES = (".tsv", ".csv", ".txt", ".parquet", ".tsv.gz", ".csv.gz")
NAMES = ("variant", "mutant", "hgvs")
SEQUENCES = ("sequence", "contig", "protein", "transcript")
_ALLELES = ("pos", "ref", "alt")


def is_variant_table(path: str | Path) -> bool:
    """Whether a file is a table of variants by its name."""
    return str(path).endswith(SUFFIXES)


def score_table_file(
    path: str | Path,
    genome: Genome,
    scorer: WindowScorer,
    out: str | Path,
    *,
    summary: str | Path | None = None,
    shard: Shard | None = None,
    cache: str | Path | None = None,
    prefix: str = "GLM",
    on_ref_mismatch: str = "flag",
    batch_size: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Score the variants of a table and write it with more columns: status, and each score by its tag's name.

    Args:
        path: TSV, CSV or Parquet with the columns pos, ref and alt, or one of NAMES (A24G, p.Ala24Gly, 24A>G); and one
            of SEQUENCES, the record's name in the FASTA, unless it has a single record or a name begins with it
            (NAME:A24G).
        genome: the FASTA of the sequences.
        scorer: the model.
        out: .tsv or .parquet, whole when this returns; PATH.json beside it holds the provenance and the table's
            SHA-256.
        summary: JSON file for the returned summary.
        shard: the share of the rows that is scored and written; `merge_tables` joins shares.
        cache: folder of scores that earlier runs computed, which this run adds to.
        prefix: first part of the columns of scores.
        on_ref_mismatch: flag or error.
        batch_size: variants scored in one call; does not change scores.
        progress: called with (rows done, rows in all).

    Raises:
        InputError: no table, or without such columns.
        UsageError: an output of another format, or one that is an input or another output, or that another process
            writes; or columns of these names that are there already.
        AssemblyError: many rows of a sequence have other letters than the FASTA.
    """
    started, out = time.monotonic(), Path(out)
    if out.suffix not in (".tsv", ".parquet"):
        raise UsageError(f"-o {out}: a table of variants gives a table; name it .tsv or .parquet")
    if on_ref_mismatch not in ("flag", "error"):
        raise UsageError(f"--on-ref-mismatch '{on_ref_mismatch}': a table keeps all of its rows; choose flag or error")
    refuse_table_collisions(path, genome.path, out, summary)
    with output_lock(out):
        table = read_table(path, None)
        tags = Tags.named(scorer.tag, prefix, parts_of(scorer))
        added = ("status", *tags.scores)
        if there := [name for name in added if name in table.columns]:
            raise UsageError(f"{path} has a column {there[0]} already: rename or remove it")
        records = len(table.rows)
        first, end = shard.span(records) if shard else (0, records)
        table = Table(table.rows[first:end], {name: cells[first:end] for name, cells in table.columns.items()})
        pairs = _pairs(table, Path(path), genome, scorer)
        mismatches = _check_mismatches(table, pairs, path, genome, on_ref_mismatch)
        scores = _scores(pairs, scorer, genome, cache, batch_size, progress)
        statuses = [
            "NONFINITE" if score is None and pair.status in SCORED else pair.status
            for pair, score in zip(pairs, scores, strict=True)
        ]
        facts = provenance(**reference_facts(genome), **scorer.provenance)
        columns = {**table.columns, "status": statuses}
        texts = descriptions_of(scorer)
        said = {"scores": dict(zip(tags.scores, texts, strict=True))} if tags.several else {"score": texts[0]}
        if shard:
            options = {"on-ref-mismatch": on_ref_mismatch, "batch-size": batch_size}
            identity = run_identity(scorer, tags, genome, None, None, None, **options)
            settings = {name: digest_of(value)[:8] for name, value in identity.items()}
            run = (sha256(path), digest_of(identity), mismatches, settings, tags.scores if tags.several else ())
            said["shard"] = Statement(tags.scores[0], shard, first, end, records, 0, *run).as_json()
        with stated_table(out, {"columns": [*columns, *tags.scores], **said, **facts}) as temporary:
            _write(temporary, out.suffix, columns, tags.scores, scores)
        result = _summary(statuses, on_ref_mismatch, time.monotonic() - started, out, facts)
        if tags.several:
            result = dataclasses.replace(result, outputs=tags.scores)
        if summary is not None:
            result.write(summary)
    return result


def _scores(
    pairs: Sequence[AllelePair],
    scorer: WindowScorer,
    genome: Genome,
    cache: str | Path | None,
    batch_size: int,
    progress: Callable[[int, int], None] | None,
) -> list[Row | None]:
    """Return each row's scores, None where it has none."""
    scores: list[Row | None] = [None] * len(pairs)
    scored = [n for n, pair in enumerate(pairs) if pair.status in SCORED]
    check_device(scorer, [pairs[n] for n in scored])

    def compute(some: list[AllelePair]) -> list:
        return np.asarray(scorer.score(some), np.float64).tolist()

    with score_cache(None if cache is None else Path(cache), scorer, genome) as kept:
        for begin in range(0, len(scored), max(batch_size, 1)):
            some = scored[begin : begin + max(batch_size, 1)]
            read = [pairs[n] for n in some]
            given = compute(read) if kept is None else kept.scores(read, compute)
            found = np.asarray(given, np.float64).reshape(len(some), len(descriptions_of(scorer)))
            for n, row in zip(some, found.tolist(), strict=True):
                scores[n] = finite_row(row)
            if progress:
                progress(begin + len(some), len(scored))
    if kept is not None:
        log.info("%s: %d scores taken up, %d computed", cache, kept.found, kept.computed)
    return scores


def _pairs(table: Table, path: Path, genome: Genome, scorer: WindowScorer) -> list[AllelePair]:
    """Return each row's windows or status."""
    name = next((name for name in NAMES if name in table.columns), None)
    by_allele = all(column in table.columns for column in _ALLELES)
    if name is None and not by_allele:
        raise InputError(
            f"{path} names no variants: it needs the columns pos, ref and alt, or one of {', '.join(NAMES)}; its "
            f"columns: {', '.join(table.columns)}{separator_hint(list(table.columns))}"
        )
    column = next((column for column in SEQUENCES if column in table.columns), None)
    if column is None and by_allele and len(genome.contigs) > 1:
        raise InputError(f"{path} does not say of which sequence its variants are: add a column {SEQUENCES[0]}")
    count = len(table.rows)
    places = table.columns[column] if column else [""] * count
    only = next(iter(genome.contigs)) if len(genome.contigs) == 1 else ""
    found = []
    for row in range(count):
        if by_allele:
            cells = [table.columns[key][row] for key in _ALLELES]
            found.append(_allele(places[row] or only, cells, genome, scorer))
        else:
            found.append(_named(places[row] or only, table.columns[name][row], genome, scorer))
    return found


def _allele(contig: str, cells: Sequence[str], genome: Genome, scorer: WindowScorer) -> AllelePair:
    pos, ref, alt = cells
    if not (pos.isascii() and pos.isdecimal() and ref and alt):
        return AllelePair(Variant(contig, 0, ref, alt), "UNREADABLE")
    return scorer.pair(genome, Variant(genome.resolve(contig) or contig, int(pos), ref, alt))


def _named(contig: str, name: str, genome: Genome, scorer: WindowScorer) -> AllelePair:
    head, colon, rest = name.partition(":")
    if (colon and genome.resolve(head.strip()) is not None and contig in ("", head.strip())) or (not contig and colon):
        contig, name = head.strip(), rest
    own = genome.resolve(contig)
    if own is None:
        return AllelePair(Variant(contig, 0, "", name), "CONTIG_MISSING")
    found = variant_of(name, own, genome, scorer.alphabet)
    if isinstance(found, str):
        return AllelePair(Variant(own, 0, "", name), found)
    return scorer.pair(genome, found)


def _check_mismatches(
    table: Table, pairs: Sequence[AllelePair], path: object, genome: Genome, on_ref_mismatch: str
) -> dict[str, tuple[int, int]]:
    """Refuse a table whose letters are those of another FASTA; return sequence -> rows that differ, rows compared."""
    compared: Counter[str] = Counter()
    wrong: dict[str, list[str]] = {}
    for row, pair in zip(table.rows, pairs, strict=True):
        if pair.status in MISMATCHES or pair.status in SCORED:
            compared[pair.variant.contig] += 1
        if pair.status in MISMATCHES:
            wrong.setdefault(pair.variant.contig, []).append(row)
    for contig, rows in wrong.items():
        if on_ref_mismatch == "error" or too_many(len(rows), compared[contig]):
            raise AssemblyError(
                f"{path}: {len(rows)} of {compared[contig]} variants of {contig} have other reference letters than "
                f"{genome.path} (first: {rows[0]}): is it the sequence that they were named on, counted from 1?"
            )
    return {contig: (len(wrong.get(contig, ())), seen) for contig, seen in compared.items()}


def _write(
    path: Path, suffix: str, columns: dict[str, list[str]], tags: Sequence[str], scores: Sequence[Row | None]
) -> None:
    values = {tag: [None if row is None else row[n] for row in scores] for n, tag in enumerate(tags)}
    if suffix == ".tsv":
        with open(path, "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerow([*columns, *tags])
            writer.writerows(zip(*columns.values(), *(map(score_text, own) for own in values.values()), strict=True))
        return
    import pyarrow
    from pyarrow import parquet

    texts = {name: pyarrow.array(cells, pyarrow.string()) for name, cells in columns.items()}
    data = {**texts, **{tag: pyarrow.array(own, pyarrow.float64()) for tag, own in values.items()}}
    parquet.write_table(pyarrow.table(data), path, compression="zstd")


def _summary(statuses: Sequence[str], on_ref_mismatch: str, seconds: float, out: Path, facts: dict) -> Summary:
    counts = Counter(statuses)
    scored = sum(counts[status] for status in SCORED)
    return Summary(
        records_in=len(statuses),
        records_out=len(statuses),
        dropped=0,
        on_ref_mismatch=on_ref_mismatch,
        alleles=len(statuses),
        scored=scored,
        statuses={status: counts[status] for status in STATUSES if counts[status]},
        sites={},
        seconds=round(seconds, 3),
        rate=round(scored / seconds, 1) if seconds else 0.0,
        output=str(out),
        index=None,
        table=str(out),
        provenance=facts,
    )
