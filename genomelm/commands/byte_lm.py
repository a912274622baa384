"""`genomelm byte-lm`: train the small byte language model whose entropies are patch scores."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, MaxMinutes, RequireGpu, Threads


def byte_lm(
    fasta: Annotated[Path, typer.Argument(help="Genome FASTA, plain, gzip or bgzip; proteins with --alphabet.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for model/, log.jsonl and metrics.json.")],
    train_region: Annotated[
        list[str],
        typer.Option("--train-region", help="Interval C:a-b (1-based, inclusive) to train on; may be repeated."),
    ],
    test_region: Annotated[
        list[str] | None,
        typer.Option("--test-region", help="Held-out interval C:a-b to measure the model on; may be repeated."),
    ] = None,
    alphabet: Annotated[str, typer.Option("--alphabet", help="dna, rna or protein.")] = "dna",
    both_strands: Annotated[
        bool | None,
        typer.Option("--both-strands/--forward-only", help="Train on the reverse complement too; by default for DNA."),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Optimizer steps, of up to 16,384 bases each.")] = 300,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of initial weights and data order.")] = 1,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
    max_minutes: MaxMinutes = None,
) -> None:
    """Train the small byte language model whose entropies are patch scores.

    A run that was stopped (Ctrl-C, SIGTERM, SIGUSR1, kill -9, --max-minutes) goes on from its newest
    checkpoint in OUT.state when the same command is given again; OUT.state is removed at the end.
    """
    import shutil

    from genomelm.files import output_lock, provenance, write_json
    from genomelm.models.byte_lm import ByteLMConfig
    from genomelm.runtime import choose_device, set_threads
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval, check_apart
    from genomelm.training.byte_lm import measure_byte_lm, train_byte_lm
    from genomelm.training.config import TrainConfig
    from genomelm.training.log_files import totals, write_log

    both = alphabet == "dna" if both_strands is None else both_strands
    settings = ByteLMConfig(alphabet, both)
    config = TrainConfig(
        steps=steps, batch_size=8, window=2048, learning_rate=8e-3, warmup=0.1, final_rate=0.02, seed=seed
    )
    training = [Interval.parse(text) for text in train_region]
    testing = [Interval.parse(text) for text in test_region or []]
    check_apart(testing, training)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    state = out.parent / f"{out.name}.state"
    with Genome(fasta, any_letters=alphabet == "protein") as genome, output_lock(out):
        model, log = train_byte_lm(genome, settings, config, training, testing, state, chosen, max_minutes)
        measured = measure_byte_lm(model, genome, training, testing) if testing else None
        model.save(out / "model")
        write_log(out / "log.jsonl", log)
        write_json(
            out / "metrics.json",
            {
                "alphabet": alphabet,
                "parameters": model.parameters,
                "reach": model.reach,
                **totals(log),
                "test": measured,
                "provenance": provenance(
                    model=model.digest,
                    reference=genome.digest,
                    train_regions=list(model.training),
                    seed=seed,
                    device=str(chosen),
                    threads=threads,
                    dtype="float32",
                ),
            },
        )
        shutil.rmtree(state, ignore_errors=True)
    said = (
        f"{measured['bits_per_base']:.4f} bits per base on {measured['test_bases']:,} held-out bases "
        f"(order-{measured['count_model_order']} count model {measured['count_model']:.4f}, "
        f"uniform {measured['uniform']:.4f})"
        if measured
        else f"trained on {log[-1]['bases']:,} bases"
    )
    typer.echo(f"byte language model {model.digest[:12]}: {said}")
