"""`genomelm score`: annotate the variants of a VCF, or every substitution of an interval, with a model's scores."""

import logging
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, TorchThreads

log = logging.getLogger(__name__)


def score(
    reference: Annotated[Path, typer.Option("-r", "--reference", help="Reference FASTA: plain, gzip or bgzip.")],
    model: Annotated[Path, typer.Option("-m", "--model", help="Model directory.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Annotated VCF to write (.vcf.gz), with its index.")],
    variants: Annotated[Path | None, typer.Argument(metavar="[IN.vcf[.gz]]", help="Variants to score.")] = None,
    saturate: Annotated[
        str | None,
        typer.Option("--saturate", help="Interval C:a-b: score its every substitution instead of a VCF's variants."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            "--window", help="Interval C:a-b[:-] in which every variant is scored; a task head reads its strand only."
        ),
    ] = None,
    width: Annotated[
        int, typer.Option("--width", min=2, help="Reference bases around each variant, without --window.")
    ] = 512,
    regions: Annotated[
        Path | None, typer.Option("--regions", help="BED: score only records whose REF overlaps it; all are written.")
    ] = None,
    table: Annotated[Path | None, typer.Option("--table", help="TSV of scores, one row an allele.")] = None,
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
    on_ref_mismatch: Annotated[
        str, typer.Option("--on-ref-mismatch", help="A REF unlike the reference: flag, error or drop.")
    ] = "flag",
    prefix: Annotated[str, typer.Option("--prefix", help="First part of the INFO tags.")] = "GLM",
    overwrite_info: Annotated[
        bool, typer.Option("--overwrite-info", help="Replace tags of these names that another program wrote.")
    ] = False,
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=1, help="Alleles a step; does not change scores.")
    ] = 64,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
) -> None:
    """Score every alternative allele and write the VCF with INFO tags added; no other column changes.

    A language model gives GLM_LLR, log p(alternative) - log p(reference) in nats, a masked one with the bases that
    change hidden; a task model gives GLM_<TASK>, its prediction for the alternative minus the one for the reference,
    or, if it was trained on variant effects, its output for the pair. An allele without a score has '.' and a reason in
    GLM_STATUS.
    """
    from genomelm.commands.model_input import located, open_model, use_patches
    from genomelm.commands.progress import progress
    from genomelm.errors import UsageError
    from genomelm.scoring.annotate import annotate
    from genomelm.scoring.assay_window import check_assay_window
    from genomelm.scoring.saturate import saturate as write_substitutions
    from genomelm.scoring.scorer import scorer_for
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import read_bed

    if forward_only:
        if strands == "both":
            raise UsageError("--forward-only and --strands both contradict each other: give one of them")
        strands = "forward"
    if (variants is None) == (saturate is None):
        raise UsageError("give either a VCF or --saturate C:a-b, and not both")
    with Genome(reference) as genome, tempfile.TemporaryDirectory() as scratch, progress("records") as update:
        fixed = None if window is None else located(genome, window, "--window")
        source = variants
        if saturate is not None:
            interval = located(genome, saturate, "--saturate")
            if fixed and not (
                fixed.contig == interval.contig and fixed.start <= interval.start and interval.end <= fixed.end
            ):
                raise UsageError(f"--saturate {saturate} does not lie inside --window {window}")
            source = Path(scratch) / "substitutions.vcf"
            write_substitutions(genome, interval, source)
        selected = None if regions is None else read_bed(regions)
        loaded, digest = open_model(model, device, require_gpu, threads)
        loaded = loaded.for_task(task)
        use_patches(loaded, patches, other_patches, genome)
        check_assay_window(loaded, genome, fixed, width)
        found = annotate(
            source,
            genome,
            scorer_for(loaded, width, fixed, strands, digest),
            out,
            table=table,
            summary=summary,
            regions=selected,
            batch_size=batch_size,
            on_ref_mismatch=on_ref_mismatch,
            overwrite_info=overwrite_info,
            prefix=prefix,
            progress=update,
        )
    if found.alleles and found.statuses.get("CONTIG_MISSING") == found.alleles:
        log.warning(
            "%s and %s share no contig: is this the reference that the variants were called on?", source, reference
        )
    counts = ", ".join(f"{status} {count:,}" for status, count in found.statuses.items())
    typer.echo(f"{out}: {found.scored:,} of {found.alleles:,} alleles scored, {found.rate:.0f} a second ({counts})")
