"""`genomelm pretrain`: train a language model on a genome."""

from pathlib import Path
from typing import Annotated

import typer


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
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or tpu.")] = "auto",
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Stop (exit 5) when there is no GPU.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 2,
    max_minutes: Annotated[
        float | None,
        typer.Option("--max-minutes", min=0, help="Checkpoint and stop with exit 75 after so many minutes."),
    ] = None,
) -> None:
    """Train a language model on a genome; the model file says its family and objective.

    A run that was stopped (Ctrl-C, SIGTERM, SIGUSR1, kill -9, --max-minutes) goes on from its newest
    checkpoint in OUT.state when the same command is given again; OUT.state is removed at the end.
    """
    import shutil

    from genomelm.files import output_lock, provenance, sha256, write_json
    from genomelm.models.config import read_model_file
    from genomelm.models.loading import save_model
    from genomelm.runtime import choose_device, set_threads
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval, check_apart
    from genomelm.settings import read_config
    from genomelm.training.config import TrainConfig
    from genomelm.training.loop import write_log
    from genomelm.training.pretrain import pretrain as run

    settings, config = read_model_file(model), read_config(TrainConfig, train)
    training = [Interval.parse(text) for text in train_region]
    testing = [Interval.parse(text) for text in test_region]
    check_apart(testing, training)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    state = out.parent / f"{out.name}.state"
    with output_lock(out), Genome(genome) as reference:
        trained_model, log = run(reference, patches, settings, config, training, testing, state, chosen, max_minutes)
        save_model(trained_model.cpu(), out / "model")
        write_log(out / "log.jsonl", log)
        write_json(
            out / "metrics.json",
            {
                "family": settings.family,
                "objective": settings.shell.objective,
                "parameters": sum(p.numel() for p in trained_model.parameters()),
                "kmer_table_parameters": sum(p.numel() for p in trained_model.shell.kmers.parameters()),
                "steps": log[-1]["step"],
                "bases": log[-1]["bases"],
                "seconds": log[-1]["seconds"],
                "kbases_per_second": round(log[-1]["bases"] / log[-1]["seconds"] / 1e3, 2),
                "provenance": provenance(
                    model=sha256(out / "model" / "model.safetensors"),
                    patching=trained_model.patcher.fingerprint,
                    reference=reference.digest,
                    train_regions=[str(region) for region in training],
                    seed=config.seed,
                    device=str(chosen),
                    threads=threads,
                    dtype="float32",
                ),
            },
        )
        shutil.rmtree(state, ignore_errors=True)
