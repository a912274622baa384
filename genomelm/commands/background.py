"""`genomelm background`: scores of random variants of a reference, which `genomelm score` places its scores among."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Circular, Device, RequireGpu, TorchThreads


def background(
    reference: Annotated[Path, typer.Option("-r", "--reference", help="Reference FASTA: plain, gzip or bgzip.")],
    model: Annotated[Path, typer.Option("-m", "--model", help="Model directory.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
    per_class: Annotated[
        int, typer.Option("--per-class", min=1, help="Variants a class: 96 of substitutions, 17 by length.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Which places are drawn.")] = 0,
    variants: Annotated[
        Path | None,
        typer.Option("--variants", help="VCF whose alleles are drawn, such as common ones, instead of random places."),
    ] = None,
    width: Annotated[int, typer.Option("--width", min=2, help="As `genomelm score` is to read.")] = 1024,
    strands: Annotated[str, typer.Option("--strands", help="As `genomelm score` is to read.")] = "model",
    effect: Annotated[str, typer.Option("--effect", help="As `genomelm score` is to score.")] = "model",
    patches: Annotated[
        Path | None, typer.Option("--patches", help="Folder of `genomelm patch`, where `genomelm score` has one.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Task of a model that has several.")] = None,
    circular: Circular = None,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
) -> None:
    """Score random variants of each class of the reference and keep the scores.

    Classes are substitutions by trinucleotide context, and insertions, deletions and longer substitutions by length.
    The folder is of this model, reference and these options: `genomelm score --background` refuses any other.
    """
    from genomelm.commands.model_input import open_any_model, opened_reference, scorer_of
    from genomelm.commands.progress import progress
    from genomelm.errors import UsageError
    from genomelm.files import output_lock
    from genomelm.scoring.background import all_classes, make_background
    from genomelm.scoring.known_variants import known_variants

    loaded, digest = open_any_model(model, device, require_gpu, threads)
    if loaded.alphabet != "dna":
        raise UsageError(f"the model reads {loaded.alphabet}: a background is of random variants of a genome")
    with (
        opened_reference(reference, loaded.alphabet, circular, None) as genome,
        output_lock(out),
        progress("variants") as update,
    ):
        options = {"width": width, "strands": strands, "effect": effect, "task": task, "patches": patches}
        scorer = scorer_of(loaded, digest, genome, **options)
        draw = None if variants is None else functools.partial(known_variants, variants)
        counts = make_background(genome, scorer, out, per_class, seed, update, draw)
    fewer = sum(counts.get(name, 0) < per_class for name in all_classes())
    typer.echo(
        f"{out}: {sum(counts.values()):,} variants, {fewer} of {len(all_classes())} classes with fewer than asked"
    )
