"""`genomelm finetune`: train task heads on labelled data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Device, MaxMinutes, RequireGpu, Threads

if TYPE_CHECKING:
    import numpy as np

    from genomelm.commands.task_inputs import TaskInput
    from genomelm.models.model import GenomeModel
    from genomelm.tasks.examples import Examples


def finetune(
    model: Annotated[
        Path,
        typer.Option("--model", help="Pretrained model folder, or a model file (YAML): then from scratch."),
    ],
    task: Annotated[
        list[Path], typer.Option("--task", help="Task file, such as configs/tasks/lac.yaml; repeat it for several.")
    ],
    data: Annotated[
        list[Path],
        typer.Option("--data", help="Table, FASTA, BED, GFF, bigWig or VCF, as the task's source says; one a --task."),
    ],
    train: Annotated[Path, typer.Option("--train", help="Training file, such as configs/train/finetune_lac.yaml.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for model/, metrics.json and predictions.tsv.")],
    genome: Annotated[
        list[Path] | None, typer.Option("--genome", help="Genome FASTA, for tasks that cut windows.")
    ] = None,
    split: Annotated[
        list[Path] | None, typer.Option("--split", help="Fixed split file, for rows of tasks without a `split`.")
    ] = None,
    labels: Annotated[
        list[Path] | None, typer.Option("--labels", help="VCF: table of contig, pos, ref, alt and labels.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the head, data order and dropout.")] = 1,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop (exit 3) when test examples were met in training.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Train anew where OUT holds a finished run; its files are replaced.")
    ] = False,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
    max_minutes: MaxMinutes = None,
) -> None:
    """Train a task head, and the model under it, on labelled data; or a head for each of several tasks.

    A pretrained model keeps its patches. A model file starts from fresh weights drawn by --seed, with patches of
    as many letters as its `stride` says: for data without a genome, such as proteins.

    With several tasks --genome, --split and --labels are given once for all tasks that read one, or once for each of
    these; predictions are in OUT/predictions/NAME.tsv.

    A run that was stopped goes on from its newest checkpoint in OUT.state when the same command is
    given again.
    """
    import shutil

    from genomelm.commands.task_inputs import examples_of, task_inputs
    from genomelm.errors import UsageError
    from genomelm.files import digest_of, provenance, read_json, sha256, write_json
    from genomelm.models.loading import load_model, save_model
    from genomelm.runtime import choose_device, set_threads
    from genomelm.seq.interval import Interval
    from genomelm.settings import read_config
    from genomelm.tasks.config import TaskConfig
    from genomelm.tasks.predictions import write_predictions
    from genomelm.training.beforehand import check_beforehand
    from genomelm.training.config import TrainConfig
    from genomelm.training.finetune import finetune_tasks
    from genomelm.training.log_files import keep_events, write_log
    from genomelm.training.team import Team

    chosen_tasks, config = [read_config(TaskConfig, file) for file in task], read_config(TrainConfig, train)
    check_beforehand(config, out, overwrite)
    inputs = task_inputs(chosen_tasks, data, genome, split, labels)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    team = Team(chosen)
    pretrained = load_model(model) if model.is_dir() else _from_scratch(model, seed, inputs[0].task.alphabet)
    if not pretrained.is_language_model:
        raise UsageError(
            f"{model} has a {pretrained.head_kind} head: give the pretrained language model that it was made from"
        )
    if pretrained.reads_several:
        pretrained.read(inputs[0].task.alphabet)
    with team.first_goes_ahead():  # indices of genomes
        examples = examples_of(inputs)
    metrics = model.parent / "metrics.json"
    seen = read_json(metrics)["provenance"]["train_regions"] if model.is_dir() and metrics.is_file() else []
    leaks = [
        _leaks(one, found, list(map(Interval.parse, seen)), strict) for one, found in zip(inputs, examples, strict=True)
    ]
    if model.is_dir():
        sources = {"model": sha256(model / "model.safetensors"), "config": sha256(model / "config.json")}
    else:
        sources = {"model": sha256(model)}
    for one in inputs:
        start = f"{one.task.name}." if len(inputs) > 1 else ""
        sources |= {f"{start}{option}": sha256(file) for option, file in one.files().items()}
    state = out.parent / f"{out.name}.state"
    labelled = list(zip(chosen_tasks, examples, strict=True))
    with team.writing(out):
        tuned = finetune_tasks(pretrained, labelled, config, seed, state, chosen, digest_of(sources), max_minutes)
        if not team.first:
            return
        save_model(tuned.model.cpu(), out / "model")
        write_log(out / "log.jsonl", tuned.log)
        results = {}
        for one, found, met in zip(inputs, examples, leaks, strict=True):
            predicted = tuned.predictions[one.task.name]
            file = f"predictions/{one.task.name}.tsv" if len(inputs) > 1 else "predictions.tsv"
            write_predictions(out / file, one.task, found.where("test"), predicted)
            results[one.task.name] = _result(one, found, predicted) | {"leakage": met}
        facts = {
            "parameters": sum(p.numel() for p in tuned.model.parameters()),
            "tuning": tuned.tuning,
            "steps": tuned.log[-1]["step"],
            "seconds": tuned.log[-1]["seconds"],
            "provenance": provenance(
                model=sha256(out / "model" / "model.safetensors"),
                sources=sources,
                seed=seed,
                device=str(chosen),
                threads=threads,
                dtype=config.precision,
                processes=team.size,
            ),
        }
        write_json(
            out / "metrics.json",
            {**(next(iter(results.values())) if len(inputs) == 1 else {"tasks": results}), **facts},
        )
        keep_events(state, out)
        shutil.rmtree(state, ignore_errors=True)


def _leaks(one: "TaskInput", examples: "Examples", seen: list, strict: bool) -> dict[str, int]:
    """Return how many test examples the model has met, and tell of them; `strict` makes them an error."""
    import logging

    from genomelm.errors import InputError
    from genomelm.tasks.examples import leakage

    leaks = leakage(examples, seen)
    if any(leaks.values()):
        counts = ", ".join(f"{count} {how}" for how, count in leaks.items())
        text = f"{one.data}: test examples that the model has met in training: {counts}"
        if strict:
            raise InputError(f"{text}; remove them or drop --strict")
        logging.getLogger(__name__).warning(text)
    return leaks


def _result(one: "TaskInput", examples: "Examples", predicted: "np.ndarray") -> dict:
    """Return what metrics.json says of a task."""
    from genomelm.tasks.examples import SPLITS
    from genomelm.tasks.judge import measures

    found = measures(one.task, one.task.judged(examples.where("test").labels), predicted)
    return {
        "task": one.task.name,
        "kind": one.task.kind,
        "metric": one.task.metric,
        "test": found[one.task.metric]["value"],
        "metrics": found,
        "examples": {split: len(examples.where(split)) for split in SPLITS},
    }


def _from_scratch(file: Path, seed: int, alphabet: str) -> "GenomeModel":
    """Return a language model with fresh weights and fixed-stride patches, as a model file says.

    Args:
        alphabet: that a model of several is to read.
    """
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
    own = settings.shell.alphabet
    patches = PatcherConfig("fixed_stride", stride=settings.stride, alphabet=alphabet if own == "mixed" else own)
    return new_model(settings, Patcher(patches), seed)
