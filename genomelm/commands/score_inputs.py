"""What `genomelm score` is asked for besides a VCF: places to saturate, or one variant to explain."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genomelm.scoring.pair_scorer import WindowScorer
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval


def check_alphabet(alphabet: str, of_table: bool, saturate: str | None) -> None:
    """Refuse what a model of `alphabet` cannot score.

    Raises:
        UsageError: a VCF for a protein model, or substitutions of bases for another model than of DNA.
    """
    from genomelm.errors import UsageError

    if alphabet == "protein" and not of_table and saturate is None:
        raise UsageError(
            "the model reads protein: give a table (.tsv, .csv, .parquet) of variants such as A24G, not a VCF; a "
            "model of DNA whose tokeniser knows more letters is told by --alphabet dna"
        )
    if alphabet != "dna" and saturate is not None:
        raise UsageError(f"--saturate makes substitutions of DNA, and the model reads {alphabet}: list them in a table")


def refuse_for_table(**options: object) -> None:
    """Refuse options that say nothing of a table of variants.

    Raises:
        UsageError: naming the first that was given.
    """
    from genomelm.errors import UsageError

    if options.pop("--resume", False):
        raise UsageError(
            "--resume keeps parts of a VCF, and the variants are a table: give --cache FOLDER, and the same command "
            "takes up the scores that a stopped one kept there"
        )
    if given := [name for name, value in options.items() if value]:
        raise UsageError(f"{given[0]} is for a VCF, and the variants are a table: leave it out")


def refuse_for_one(**options: object) -> None:
    """Refuse options of a whole run where one variant is explained.

    Raises:
        UsageError: naming the first that was given.
    """
    from genomelm.errors import UsageError

    if given := [name for name, value in options.items() if value]:
        raise UsageError(f"{given[0]} is for a run over variants, and --explain shows one: leave it out")


@contextlib.contextmanager
def kept_or_told(resume: bool) -> Iterator[None]:
    """Say what to do after an interrupt that leaves nothing behind.

    Raises:
        Interrupted: in place of KeyboardInterrupt, without --resume.
    """
    from genomelm.errors import Interrupted

    try:
        yield
    except KeyboardInterrupt:
        if resume:
            raise
        raise Interrupted(
            "interrupted: no score was kept; with --resume the command keeps finished parts, and goes on behind them"
        ) from None


def places_to_saturate(genome: "Genome", text: str, window: "Interval | None") -> "list[Interval]":
    """Return the interval C:a-b that `text` is, or those of the BED file that it names, as the genome spells them.

    Raises:
        InputError: no such file or interval, or one that is not in the genome.
        UsageError: one lies outside of the window.
    """
    import dataclasses

    from genomelm.commands.model_input import located
    from genomelm.errors import InputError, UsageError
    from genomelm.seq.interval import read_bed

    if not Path(text).is_file():
        if text.endswith((".bed", ".bed.gz")):
            raise InputError(f"--saturate {text} does not exist")
        found = [located(genome, text, "--saturate")]
    else:
        found = []
        for interval in read_bed(text):
            contig = genome.resolve(interval.contig)
            if contig is None:
                raise InputError(f"--saturate {text}: contig '{interval.contig}' is not in {genome.path}")
            found.append(dataclasses.replace(interval, contig=contig))
        if not any(map(len, found)):
            raise InputError(f"--saturate {text} holds no bases")
    for place in found:
        inside = window is None or (
            window.contig == place.contig and window.start <= place.start and place.end <= window.end
        )
        if not inside:
            raise UsageError(f"--saturate {place} does not lie inside --window {window}")
    return found


def show_explanation(scorer: "WindowScorer", genome: "Genome", variant: str, out: Path | None, as_json: bool) -> None:
    """Write how a variant is scored: JSON for `as_json` or a file named .json, else text; None is standard output.

    Raises:
        UsageError: it is not written as a variant is.
        InputError: the reference has no such place.
    """
    import typer

    from genomelm.errors import InputError
    from genomelm.files import provenance, write_json, write_text
    from genomelm.scoring.explain import as_text, explain, parse_variant
    from genomelm.scoring.identity import reference_facts

    asked = parse_variant(variant)
    found = explain(scorer, genome, asked)
    if found["status"] in ("CONTIG_MISSING", "POS_OUT_OF_RANGE"):
        contig = genome.resolve(asked.contig)
        known = ", ".join(list(genome.contigs)[:5])
        there = f"{contig} has {genome.contigs[contig]:,} bases" if contig else f"it has {known}"
        raise InputError(f"--explain {variant}: {found['status']}: no such place in {genome.path}; {there}")
    found["provenance"] = provenance(**reference_facts(genome), **scorer.provenance)
    if out is None:
        typer.echo(json.dumps(found) if as_json else as_text(found), nl=as_json)
    elif as_json or out.suffix == ".json":
        write_json(out, found)
    else:
        write_text(out, as_text(found))
