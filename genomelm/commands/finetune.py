"""`genomelm finetune`: train a task head on labelled data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Device, MaxMinutes, RequireGpu, Threads

if TYPE_CHECKING:
    from genomelm.models.model import GenomeModel


def finetune(
    model: Annotated[
        Path,
        typer.Option("--model", help="Pretrained model folder, or a model file (YAML): then from scratch."),
    ],
    task: Annotated[Path, typer.Option("--task", help="Task file, such as configs/tasks/lac.yaml.")],
    data: Annotated[Path, typer.Option("--data", help="Table of sequences (or variants) and labels, or a GFF.")],
    train: Annotated[Path, typer.Option("--train", help="Training file, such as configs/train/finetune_lac.yaml.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for model/, metrics.json and predictions.tsv.")],
    genome: Annotated[Path | None, typer.Option("--genome", help="Genome FASTA, for tasks that cut windows.")] = None,
    split: Annotated[Path | None, typer.Option("--split", help="Fixed split file, for tables.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the head, data order and dropout.")] = 1,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop (exit 3) when test examples were met in training.")
    ] = False,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
    max_minutes: MaxMinutes = None,
) -> None:
    """Train a task head, and the model under it, on labelled data.

    A pretrained model keeps its patches. A model file starts from fresh weights drawn by --seed, with patches of
    as many letters as its `stride` says: for data without a genome, such as proteins.

    A run that was stopped goes on from its newest checkpoint in OUT.state when the same command is
    given again.
    """
    import logging
    import shutil

    import numpy as np

    from genomelm.errors import InputError, UsageError
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
    pretrained = load_model(model) if model.is_dir() else _from_scratch(model, seed)
    if not pretrained.is_language_model:
        raise UsageError(
            f"{model} has a {pretrained.head_kind} head: give the pretrained language model that it was made from"
        )
    examples = read_examples(chosen_task, data, genome, split)
    metrics = model.parent / "metrics.json"
    seen = read_json(metrics)["provenance"]["train_regions"] if model.is_dir() and metrics.is_file() else []
    leaks = leakage(examples, [Interval.parse(region) for region in seen])
    if any(leaks.values()):
        counts = ", ".join(f"{count} {how}" for how, count in leaks.items())
        text = f"{data}: test examples that the model has met in training: {counts}"
        if strict:
            raise InputError(f"{text}; remove them or drop --strict")
        logging.getLogger(__name__).warning(text)
    weights = model / "model.safetensors" if model.is_dir() else model
    files = {"model": weights, "data": data, "genome": genome, "split": split}
    sources = {role: sha256(file) for role, file in files.items() if file}
    state = out.parent / f"{out.name}.state"
    with output_lock(out):
        tuned, log, predicted = run(
            pretrained, chosen_task, examples, config, seed, state, chosen, digest_of(sources), max_minutes
        )
        test = examples.where("test")
        truth = chosen_task.judged(test.labels)
        save_model(tuned.cpu(), out / "model")
        write_log(out / "log.jsonl", log)
        rows = (
            f"{name}\t{label:.9g}\t{value:.9g}\n"
            for name, labels, values in zip(test.names, truth, predicted, strict=True)
            for label, value in zip(np.atleast_1d(labels), np.atleast_1d(values), strict=True)
        )
        write_text(out / "predictions.tsv", "name\tlabel\tprediction\n" + "".join(rows))
        write_json(
            out / "metrics.json",
            {
                "task": chosen_task.name,
                "kind": chosen_task.kind,
                "parameters": sum(p.numel() for p in tuned.parameters()),
                "metric": chosen_task.metric,
                "test": METRICS[chosen_task.metric](truth.ravel(), predicted.ravel()),
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


def _from_scratch(file: Path, seed: int) -> "GenomeModel":
    """Return a language model with fresh weights and fixed-stride patches, as a model file says."""
    from genomelm.commands.model_input import refuse_pickle
    from genomelm.errors import UsageError
    from genomelm.models.config import read_model_file
    from genomelm.patching.config import PatcherConfig
    from genomelm.patching.patcher import Patcher
    from genomelm.training.pretrain import new_model

    refuse_pickle(file)
    if not file.exists() or file.suffix not in (".yaml", ".yml"):
        fault = "is not a YAML file" if file.exists() else "does not exist"
        raise UsageError(
            f"--model {file} {fault}: give the folder of a pretrained model, such as results/pretrain/model, or a "
            "model file, such as configs/models/hyena_glt_tiny.yaml"
        )
    settings = read_model_file(file)
    patches = PatcherConfig(mode="fixed_stride", stride=settings.stride, alphabet=settings.shell.alphabet)
    return new_model(settings, Patcher(patches), seed)
