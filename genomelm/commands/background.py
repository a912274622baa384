"""`genomelm background`: scores of random variants of a reference, which `genomelm score` places its scores among."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, TorchThreads


def background(
    reference: Annotated[Path, typer.Option("-r", "--reference", help="Reference FASTA: plain, gzip or bgzip.")],
    model: Annotated[Path, typer.Option("-m", "--model", help="Model directory.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
    per_class: Annotated[
        int, typer.Option("--per-class", min=1, help="Variants a class: 96 of substitutions, 17 by length.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Which places are drawn.")] = 0,
    width: Annotated[int, typer.Option("--width", min=2, help="As `genomelm score` is to read.")] = 1024,
    strands: Annotated[str, typer.Option("--strands", help="As `genomelm score` is to read.")] = "model",
    effect: Annotated[str, typer.Option("--effect", help="As `genomelm score` is to score.")] = "model",
    patches: Annotated[
        Path | None, typer.Option("--patches", help="Folder of `genomelm patch`, where `genomelm score` has one.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Task of a model that has several.")] = None,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
) -> None:
    """Score random variants of each class of the reference and keep the scores.

    Classes are substitutions by trinucleotide context, and insertions, deletions and longer substitutions by length.
    The folder is of this model, reference and these options: `genomelm score --background` refuses any other.
    """
    from genomelm.commands.model_input import open_model, use_patches
    from genomelm.commands.progress import progress
    from genomelm.files import output_lock
    from genomelm.scoring.assay_window import check_assay_window
    from genomelm.scoring.background import all_classes, make_background
    from genomelm.scoring.scorer import scorer_for
    from genomelm.seq.genome import Genome

    with Genome(reference) as genome, output_lock(out), progress("variants") as update:
        loaded, digest = open_model(model, device, require_gpu, threads)
        loaded = loaded.for_task(task)
        use_patches(loaded, patches, False, genome)
        check_assay_window(loaded, genome, None, width)
        scorer = scorer_for(loaded, width, None, strands, digest, effect)
        counts = make_background(genome, scorer, out, per_class, seed, update)
    fewer = sum(counts.get(name, 0) < per_class for name in all_classes())
    typer.echo(
        f"{out}: {sum(counts.values()):,} variants, {fewer} of {len(all_classes())} classes with fewer than asked"
    )
