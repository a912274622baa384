"""`genomelm score`: annotate the variants of a VCF, or every substitution of an interval, with a model's scores."""

import json
import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Alphabet, Circular, Device, Json, RequireGpu, TorchThreads

if TYPE_CHECKING:
    from genomelm.scoring.summary import Summary

log = logging.getLogger(__name__)

BATCH = 512
"""Alleles scored in one call, unless the user says another number."""


def score(
    reference: Annotated[Path, typer.Option("-r", "--reference", help="Reference FASTA: plain, gzip or bgzip.")],
    model: Annotated[
        Path, typer.Option("-m", "--model", help="Model directory, of genomelm or of transformers' own (safetensors).")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Annotated VCF (.vcf.gz) or BCF (.bcf) to write, with its index; - is standard output. Of a table of "
            "variants: .tsv or .parquet.",
        ),
    ] = None,
    variants: Annotated[
        Path | None,
        typer.Argument(
            metavar="[IN.vcf[.gz]]",
            help="Variants to score: VCF, BCF, or - for standard input; or a table (.tsv, .csv, .parquet) with pos, "
            "ref and alt, or with names such as A24G, p.Ala24Gly or 24A>G, for proteins and RNA.",
        ),
    ] = None,
    saturate: Annotated[
        str | None,
        typer.Option(
            "--saturate", help="Interval C:a-b, or a BED: score its every substitution instead of a VCF's variants."
        ),
    ] = None,
    arrays: Annotated[
        Path | None, typer.Option("--arrays", help="--saturate: an .npz with an array (l, 4) of scores an interval.")
    ] = None,
    bigwig: Annotated[
        Path | None,
        typer.Option(
            "--bigwig",
            help="--saturate: a .bw with the mean of each base's three scores; of several outputs a NAME.TAG.bw each.",
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            help="C:pos:REF:ALT: only show how this variant is scored (JSON with --json or -o NAME.json).",
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            "--window", help="Interval C:a-b[:-] in which every variant is scored; a task head reads its strand only."
        ),
    ] = None,
    width: Annotated[
        int, typer.Option("--width", min=2, help="Reference bases around each variant, without --window.")
    ] = 1024,
    regions: Annotated[
        Path | None, typer.Option("--regions", help="BED: score only records whose REF overlaps it.")
    ] = None,
    outside: Annotated[
        str, typer.Option("--outside", help="Records outside of --regions: flag (NOT_SELECTED) or drop.")
    ] = "flag",
    samples: Annotated[
        Path | None, typer.Option("--samples", help="File of sample names, one a line, whose columns are kept.")
    ] = None,
    haplotypes: Annotated[
        str | None,
        typer.Option(
            "--haplotypes",
            metavar="SAMPLE",
            help="Make the sample's phased changes around a variant in both alleles: on the haplotype that carries the "
            "allele, those of its phase set (PS) and the homozygous ones; the mean of the haplotypes where it is "
            "homozygous; the homozygous ones alone where the sample does not carry it, or without phase. The name "
            "goes into outputs with the command.",
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option("--shard", help="i/n: the i-th of n shares of the records, for `genomelm merge`.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep finished parts in OUT.parts; go on where a killed run stopped.")
    ] = False,
    sort: Annotated[bool, typer.Option("--sort", help="Put the records in order first.")] = False,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Folder of scores to take up and to add to; several runs may share it."),
    ] = None,
    table: Annotated[Path | None, typer.Option("--table", help="Scores, one row an allele: .tsv or .parquet.")] = None,
    gff: Annotated[
        Path | None, typer.Option("--gff", help="Annotation: adds each record's genes and region class to the table.")
    ] = None,
    summary: Annotated[Path | None, typer.Option("--summary", help="JSON with the counts of the run.")] = None,
    patches: Annotated[
        Path | None,
        typer.Option(
            "--patches", help="Folder of `genomelm patch` on REFERENCE, for models whose patches come by place."
        ),
    ] = None,
    other_patches: Annotated[
        bool, typer.Option("--allow-other-patches", help="Take --patches of another patcher than the model's.")
    ] = False,
    effect: Annotated[
        str,
        typer.Option(
            "--effect",
            help="model: what it was made for; pseudo_likelihood (masked models); embedding or embedding_l2: how far "
            "the states around the change move.",
        ),
    ] = "model",
    background: Annotated[
        Path | None,
        typer.Option(
            "--background",
            help="Folder of `genomelm background`: adds each score's percentile, GLM_PCTL (of several outputs "
            "GLM_<TASK>_<OUTPUT>_PCTL).",
        ),
    ] = None,
    strands: Annotated[
        str,
        typer.Option(
            "--strands",
            help="both: the mean of both strands; forward: the window's own; model: both, save for task heads without "
            "two_strands or with --window.",
        ),
    ] = "model",
    forward_only: Annotated[bool, typer.Option("--forward-only", help="The same as --strands forward.")] = False,
    task: Annotated[str | None, typer.Option("--task", help="Task of a model that has several.")] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            help="Name or number (from 0) of an output of a head that has several; repeatable (default: all).",
        ),
    ] = None,
    alphabet: Alphabet = None,
    circular: Circular = None,
    on_ref_mismatch: Annotated[
        str, typer.Option("--on-ref-mismatch", help="A REF unlike the reference: flag, error or drop.")
    ] = "flag",
    prefix: Annotated[str, typer.Option("--prefix", help="First part of the INFO tags.")] = "GLM",
    overwrite_info: Annotated[
        bool, typer.Option("--overwrite-info", help="Replace tags of these names that another program wrote.")
    ] = False,
    batch_size: Annotated[
        str, typer.Option("--batch-size", help="Alleles scored in one call, or auto; does not change scores.")
    ] = "auto",
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
    as_json: Json = False,
) -> None:
    """Score every alternative allele and write the VCF with INFO tags added; no other column changes.

    A language model gives GLM_LLR, log p(alternative) - log p(reference) in nats, a masked one with the bases that
    change hidden; a task model gives GLM_<TASK>, its prediction for the alternative minus the one for the reference,
    or, if it was trained on variant effects, its output for the pair; each of several outputs, as of tissues or assays,
    as GLM_<TASK>_<OUTPUT>. An allele without a score has '.' and a reason in GLM_STATUS.
    """
    from genomelm.commands.model_input import located, open_any_model, opened_reference, scorer_of
    from genomelm.commands.progress import progress
    from genomelm.commands.score_inputs import (
        check_alphabet,
        kept_or_told,
        places_to_saturate,
        refuse_for_one,
        refuse_for_table,
        show_explanation,
    )
    from genomelm.errors import UsageError
    from genomelm.files import refuse_inputs
    from genomelm.scoring.allele_scorer import parts_of
    from genomelm.scoring.annotate import annotate
    from genomelm.scoring.background import ScoreBackground
    from genomelm.scoring.samples import read_names
    from genomelm.scoring.saturate import saturate as write_substitutions
    from genomelm.scoring.saturation_files import write_effects
    from genomelm.scoring.self_test import self_test
    from genomelm.scoring.shard import Shard
    from genomelm.scoring.source import is_stream
    from genomelm.scoring.tags import Tags
    from genomelm.scoring.variant_table import is_variant_table, score_table_file
    from genomelm.seq.interval import read_bed

    if forward_only:
        if strands == "both":
            raise UsageError("--forward-only and --strands both contradict each other: give one of them")
        strands = "forward"
    if sum(given is not None for given in (variants, saturate, explain)) != 1:
        raise UsageError("give one of: a VCF, --saturate C:a-b (or a BED), --explain C:pos:REF:ALT")
    if out is None and explain is None:
        raise UsageError("-o is missing: name the VCF to write, or - for standard output")
    if (arrays or bigwig) and (saturate is None or out.suffix != ".gz" or shard):
        raise UsageError("--arrays and --bigwig are of a whole --saturate run that is written to -o NAME.vcf.gz")
    if explain is None and as_json and is_stream(out):
        raise UsageError("--json and -o - would both write to standard output: name a file, or give --summary")
    if gff is not None and table is None and explain is None:
        raise UsageError("--gff adds columns to the table: give --table too")
    if haplotypes is not None and variants is None:
        raise UsageError("--haplotypes reads a sample's genotypes in a VCF: give one, not --saturate or --explain")
    if haplotypes is not None and patches is not None:
        raise UsageError("--haplotypes moves bases, and --patches go by coordinate: leave one of them out")
    if explain is not None:
        refuse_for_one(
            **{"--table": table, "--summary": summary, "--regions": regions, "--samples": samples, "--shard": shard},
            **{"--resume": resume, "--sort": sort, "--cache": cache, "--background": background},
            **{"--arrays": arrays, "--bigwig": bigwig},
        )
    for written in (out, table, summary):
        refuse_inputs(written, reference, gff, regions, samples, background, saturate)
    share = None if shard is None else Shard.parse(shard)
    alleles = _alleles(batch_size)
    names = None if samples is None else read_names(samples)
    of_table = variants is not None and is_variant_table(variants)
    if of_table:
        refuse_for_table(
            **{"--table": table, "--regions": regions, "--samples": samples, "--haplotypes": haplotypes},
            **{"--outside": outside != "flag", "--overwrite-info": overwrite_info},
            **{"--resume": resume, "--sort": sort, "--gff": gff, "--background": background},
        )
    loaded, digest = open_any_model(model, device, require_gpu, threads, alphabet)
    check_alphabet(loaded.alphabet, of_table, saturate)
    with (
        opened_reference(reference, loaded.alphabet, circular, gff) as genome,
        tempfile.TemporaryDirectory() as scratch,
        progress("variants" if of_table else "records") as update,
    ):
        fixed = None if window is None else located(genome, window, "--window")
        source = variants
        if saturate is not None:
            places = places_to_saturate(genome, saturate, fixed)
            source = Path(scratch) / "substitutions.vcf"
            write_substitutions(genome, places, source)
        selected = None if regions is None else read_bed(regions)
        scorer = scorer_of(
            *(loaded, digest, genome),
            **{"width": width, "window": fixed, "strands": strands, "effect": effect, "task": task},
            **{"outputs": output or ()},
            **{"patches": patches, "other_patches": other_patches},
        )
        if explain is not None:
            show_explanation(scorer, genome, explain, out, as_json)
            return
        if of_table:
            options = {"summary": summary, "on_ref_mismatch": on_ref_mismatch, "batch_size": alleles}
            options |= {"shard": share, "cache": cache, "prefix": prefix}
            found = score_table_file(source, genome, scorer, out, **options, progress=update)
            _tell(found, out, as_json)
            return
        self_test(scorer, genome)
        with kept_or_told(resume):
            found = annotate(
                source,
                genome,
                scorer,
                out,
                background=None if background is None else ScoreBackground.load(background, scorer, genome),
                table=table,
                summary=summary,
                gff=gff,
                regions=selected,
                outside=outside,
                samples=names,
                haplotypes=haplotypes,
                shard=share,
                resume=resume,
                sort=sort,
                cache=cache,
                batch_size=alleles,
                on_ref_mismatch=on_ref_mismatch,
                overwrite_info=overwrite_info,
                prefix=prefix,
                progress=update,
            )
        if arrays or bigwig:
            tags = Tags.named(scorer.tag, prefix, parts_of(scorer))
            write_effects(out, tags, genome, places, found.provenance, arrays=arrays, bigwig=bigwig)
    if found.alleles and found.statuses.get("CONTIG_MISSING") == found.alleles:
        log.warning(
            "%s and %s share no contig: is this the reference that the variants were called on?", source, reference
        )
    if found.alleles and not found.scored and found.statuses.get("NONFINITE"):
        log.warning("model %s gave no finite number for any allele: its weights may be damaged", model)
    _tell(found, out, as_json)


def _tell(found: "Summary", out: Path, as_json: bool) -> None:
    """Print what a run did."""
    from genomelm.scoring.source import is_stream

    if as_json:
        typer.echo(json.dumps(found.as_json()))
        return
    counts = ", ".join(f"{status} {count:,}" for status, count in found.statuses.items())
    typer.echo(
        f"{out}: {found.scored:,} of {found.alleles:,} alleles scored, {found.rate:.0f} a second ({counts})",
        err=is_stream(out),
    )


def _alleles(batch_size: str) -> int:
    from genomelm.errors import UsageError

    if batch_size == "auto":
        return BATCH
    if not batch_size.isdecimal() or int(batch_size) < 1:
        raise UsageError(f"--batch-size '{batch_size}' is no number of alleles; use 1 or more, or auto")
    return int(batch_size)
