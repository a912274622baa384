"""What `genomelm score` is asked for besides a VCF: places to saturate, or one variant to explain."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genomelm.scoring.pair_scorer import PairScorer
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval


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


def show_explanation(scorer: "PairScorer", genome: "Genome", variant: str, out: Path | None, as_json: bool) -> None:
    """Write how a variant is scored: JSON for `as_json` or a file named .json, else text; None is standard output."""
    import typer

    from genomelm.files import provenance, write_json, write_text
    from genomelm.scoring.explain import as_text, explain, parse_variant

    found = explain(scorer, genome, parse_variant(variant))
    found["provenance"] = provenance(reference=genome.digest, **scorer.provenance)
    if out is None:
        typer.echo(json.dumps(found) if as_json else as_text(found), nl=as_json)
    elif as_json or out.suffix == ".json":
        write_json(out, found)
    else:
        write_text(out, as_text(found))
