"""`genomelm pretrain`: train a language model on a genome."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, MaxMinutes, RequireGpu, Threads


def pretrain(
    model: Annotated[Path, typer.Option("--model", help="Model file, such as configs/models/hyena_glt_tiny.yaml.")],
    train: Annotated[Path, typer.Option("--train", help="Training file, such as configs/train/pretrain_demo.yaml.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for model/, log.jsonl and metrics.json.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Data file (configs/data/README.md), instead of the next four.")
    ] = None,
    genome: Annotated[Path | None, typer.Option("--genome", help="Genome FASTA, plain or bgzip.")] = None,
    patches: Annotated[
        Path | None, typer.Option("--patches", help="Folder that `genomelm patch` wrote for this genome.")
    ] = None,
    train_region: Annotated[
        list[str] | None, typer.Option("--train-region", help="Interval C:a-b (1-based, inclusive); may be repeated.")
    ] = None,
    test_region: Annotated[
        list[str] | None, typer.Option("--test-region", help="Held-out interval C:a-b for the log; may be repeated.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop (exit 3) when held-out sequences are in training too.")
    ] = False,
    codon_phase: Annotated[
        Path | None, typer.Option("--codon-phase", help="GFF3 or GTF of the genome, for models with positions.codon.")
    ] = None,
    conservation: Annotated[
        Path | None,
        typer.Option("--conservation", help="bigWig, bedGraph or BED, for models with branches.conservation."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Train anew where OUT holds a finished run; its files are replaced.")
    ] = False,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
    max_minutes: MaxMinutes = None,
) -> None:
    """Train a language model on a genome, or on the sources of a data file; the model file says its family and
    objective.

    A run that was stopped (Ctrl-C, SIGTERM, SIGUSR1, kill -9, --max-minutes) goes on from its newest
    checkpoint in OUT.state when the same command is given again; OUT.state is removed at the end.
    """
    import shutil

    from genomelm.commands.pretrain_data import opened_data
    from genomelm.files import provenance, sha256, write_json
    from genomelm.models.config import read_model_file
    from genomelm.models.estimate import in_tables
    from genomelm.models.loading import save_model
    from genomelm.runtime import choose_device, set_threads
    from genomelm.settings import read_config
    from genomelm.training.beforehand import check_beforehand
    from genomelm.training.config import TrainConfig
    from genomelm.training.leakage import leakage, report_leakage
    from genomelm.training.log_files import keep_events, totals, write_log
    from genomelm.training.pretrain import pretrain_on as run
    from genomelm.training.team import Team

    settings, config = read_model_file(model), read_config(TrainConfig, train)
    check_beforehand(config, out, overwrite)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    team = Team(chosen)
    state = out.parent / f"{out.name}.state"
    short = (genome, patches, train_region, test_region)
    with (
        team.writing(out),
        team.opened(opened_data(data, short, (codon_phase, conservation), settings, chosen)) as sources,
    ):
        sources.prepare(settings)
        shared = leakage(sources, config.window)
        report_leakage(shared, strict)
        trained_model, log = run(sources, settings, config, state, chosen, max_minutes)
        if not team.first:
            return
        save_model(trained_model.cpu(), out / "model")
        write_log(out / "log.jsonl", log)
        write_json(
            out / "metrics.json",
            {
                "family": settings.family,
                "objective": settings.shell.objective,
                "parameters": sum(p.numel() for p in trained_model.parameters()),
                "kmer_table_parameters": in_tables(trained_model),
                **totals(log),
                "leakage": shared,
                "provenance": provenance(
                    model=sha256(out / "model" / "model.safetensors"),
                    patching=trained_model.patcher.fingerprint,
                    **sources.facts(),
                    train_regions=sources.train_regions(),
                    seed=config.seed,
                    device=str(chosen),
                    threads=threads,
                    dtype=config.precision,
                    processes=team.size,
                ),
            },
        )
        keep_events(state, out)
        shutil.rmtree(state, ignore_errors=True)
