"""`genomelm pretrain`: train a language model on a genome."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, MaxMinutes, RequireGpu, Threads


def pretrain(
    genome: Annotated[Path, typer.Option("--genome", help="Genome FASTA, plain or bgzip.")],
    patches: Annotated[Path, typer.Option("--patches", help="Folder that `genomelm patch` wrote for this genome.")],
    model: Annotated[Path, typer.Option("--model", help="Model file, such as configs/models/hyena_glt_tiny.yaml.")],
    train: Annotated[Path, typer.Option("--train", help="Training file, such as configs/train/pretrain_demo.yaml.")],
    train_region: Annotated[
        list[str], typer.Option("--train-region", help="Interval C:a-b (1-based, inclusive); may be repeated.")
    ],
    test_region: Annotated[
        list[str], typer.Option("--test-region", help="Held-out interval C:a-b for the log; may be repeated.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for model/, log.jsonl and metrics.json.")],
    codon_phase: Annotated[
        Path | None, typer.Option("--codon-phase", help="GFF3 or GTF of the genome, for models with positions.codon.")
    ] = None,
    conservation: Annotated[
        Path | None,
        typer.Option("--conservation", help="bigWig, bedGraph or BED, for models with branches.conservation."),
    ] = None,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
    max_minutes: MaxMinutes = None,
) -> None:
    """Train a language model on a genome; the model file says its family and objective.

    A run that was stopped (Ctrl-C, SIGTERM, SIGUSR1, kill -9, --max-minutes) goes on from its newest
    checkpoint in OUT.state when the same command is given again; OUT.state is removed at the end.
    """
    import shutil

    from genomelm.files import output_lock, provenance, sha256, write_json
    from genomelm.models.config import BranchConfig, PositionConfig, read_model_file
    from genomelm.models.loading import save_model
    from genomelm.runtime import choose_device, set_threads
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval, check_apart
    from genomelm.settings import read_config
    from genomelm.training.config import TrainConfig
    from genomelm.training.loop import totals, write_log
    from genomelm.training.pretrain import pretrain as run
    from genomelm.training.side_tracks import SideTracks

    settings, config = read_model_file(model), read_config(TrainConfig, train)
    training = [Interval.parse(text) for text in train_region]
    testing = [Interval.parse(text) for text in test_region]
    check_apart(testing, training)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    state = out.parent / f"{out.name}.state"
    positions = getattr(settings, "positions", PositionConfig())  # a convolutional network has no such sections
    branches = getattr(settings, "branches", BranchConfig())
    with (
        output_lock(out),
        Genome(genome) as reference,
        SideTracks(reference, positions.codon, branches.conservation, codon_phase, conservation) as side,
    ):
        trained_model, log = run(
            reference, patches, settings, config, training, testing, state, chosen, max_minutes, side
        )
        save_model(trained_model.cpu(), out / "model")
        write_log(out / "log.jsonl", log)
        write_json(
            out / "metrics.json",
            {
                "family": settings.family,
                "objective": settings.shell.objective,
                "parameters": sum(p.numel() for p in trained_model.parameters()),
                "kmer_table_parameters": sum(
                    p.numel() for name, p in trained_model.named_parameters() if ".kmers." in name
                ),
                **totals(log),
                "provenance": provenance(
                    model=sha256(out / "model" / "model.safetensors"),
                    patching=trained_model.patcher.fingerprint,
                    reference=reference.digest,
                    **side.facts(),
                    train_regions=[str(region) for region in training],
                    seed=config.seed,
                    device=str(chosen),
                    threads=threads,
                    dtype="float32",
                ),
            },
        )
        shutil.rmtree(state, ignore_errors=True)
