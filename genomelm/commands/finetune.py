"""`genomelm finetune`: train a task head on labelled data."""

from pathlib import Path
from typing import Annotated

import typer


def finetune(
    model: Annotated[Path, typer.Option("--model", help="Pretrained model folder.")],
    task: Annotated[Path, typer.Option("--task", help="Task file, such as configs/tasks/lac.yaml.")],
    data: Annotated[Path, typer.Option("--data", help="Table of sequences and labels, or a GFF.")],
    train: Annotated[Path, typer.Option("--train", help="Training file, such as configs/train/finetune_lac.yaml.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for model/, metrics.json and predictions.tsv.")],
    genome: Annotated[Path | None, typer.Option("--genome", help="Genome FASTA, for tasks that cut windows.")] = None,
    split: Annotated[Path | None, typer.Option("--split", help="Fixed split file, for tables.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the head, data order and dropout.")] = 1,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop (exit 3) when test examples were met in training.")
    ] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or tpu.")] = "auto",
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Stop (exit 5) when there is no GPU.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 2,
    max_minutes: Annotated[
        float | None,
        typer.Option("--max-minutes", min=0, help="Checkpoint and stop with exit 75 after so many minutes."),
    ] = None,
) -> None:
    """Train a task head, and the pretrained model under it, on labelled data.

    A run that was stopped goes on from its newest checkpoint in OUT.state when the same command is
    given again.
    """
    import logging
    import shutil

    from genomelm.errors import InputError
    from genomelm.files import digest_of, output_lock, provenance, read_json, sha256, write_json, write_text
    from genomelm.models.loading import load_model, save_model
    from genomelm.runtime import choose_device, set_threads
    from genomelm.seq.interval import Interval
    from genomelm.settings import read_config
    from genomelm.tasks.config import TaskConfig
    from genomelm.tasks.examples import leakage
    from genomelm.tasks.metrics import METRICS
    from genomelm.tasks.read import read_examples
    from genomelm.training.config import TrainConfig
    from genomelm.training.finetune import finetune as run
    from genomelm.training.loop import write_log

    chosen_task, config = read_config(TaskConfig, task), read_config(TrainConfig, train)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    pretrained = load_model(model)
    examples = read_examples(chosen_task, data, genome, split)
    metrics = model.parent / "metrics.json"
    seen = read_json(metrics)["provenance"]["train_regions"] if metrics.is_file() else []
    leaks = leakage(examples, [Interval.parse(region) for region in seen])
    if any(leaks.values()):
        counts = ", ".join(f"{count} {how}" for how, count in leaks.items())
        text = f"{data}: test examples that the model has met in training: {counts}"
        if strict:
            raise InputError(f"{text}; remove them or drop --strict")
        logging.getLogger(__name__).warning(text)
    files = {"model": model / "model.safetensors", "data": data, "genome": genome, "split": split}
    sources = {role: sha256(file) for role, file in files.items() if file}
    state = out.parent / f"{out.name}.state"
    with output_lock(out):
        tuned, log, predicted = run(
            pretrained, chosen_task, examples, config, seed, state, chosen, digest_of(sources), max_minutes
        )
        test = examples.where("test")
        save_model(tuned.cpu(), out / "model")
        write_log(out / "log.jsonl", log)
        rows = (
            f"{name}\t{label:.9g}\t{value:.9g}\n"
            for name, label, value in zip(test.names, test.labels, predicted, strict=True)
        )
        write_text(out / "predictions.tsv", "name\tlabel\tprediction\n" + "".join(rows))
        write_json(
            out / "metrics.json",
            {
                "task": chosen_task.name,
                "metric": chosen_task.metric,
                "test": METRICS[chosen_task.metric](test.labels, predicted),
                "examples": {split: len(examples.where(split)) for split in ("train", "validation", "test")},
                "leakage": leaks,
                "steps": log[-1]["step"],
                "seconds": log[-1]["seconds"],
                "provenance": provenance(
                    model=sha256(out / "model" / "model.safetensors"),
                    sources=sources,
                    seed=seed,
                    device=str(chosen),
                    threads=threads,
                    dtype="float32",
                ),
            },
        )
        shutil.rmtree(state, ignore_errors=True)
