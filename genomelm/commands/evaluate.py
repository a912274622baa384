"""`genomelm evaluate`: measure a language model, or the runs of a task beside its baselines."""

from pathlib import Path
from typing import Annotated

import typer

PUBLISHED = {
    "name": "GeCo3 level 12, adaptive, given the first nine tenths (E. coli K-12, last tenth)",
    "value": 1.875,
    "region": "NC_000913.3:4177487-4641652",
}
"""A published compressor's figure for exactly these held-out bases; printed for no others."""


def evaluate(
    runs: Annotated[
        list[Path], typer.Argument(help="A language model's folder, or with --task the folders of its runs.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file of the results.")],
    task: Annotated[Path | None, typer.Option("--task", help="Task file; without it a language model.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Task: table or GFF.")] = None,
    split: Annotated[Path | None, typer.Option("--split", help="Task: fixed split file.")] = None,
    genome: Annotated[Path | None, typer.Option("--genome", help="Genome FASTA.")] = None,
    patches: Annotated[
        Path | None, typer.Option("--patches", help="Language model: folder of `genomelm patch`.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Language model: held-out interval C:a-b; may be repeated.")
    ] = None,
    window: Annotated[int, typer.Option("--window", min=16, help="Language model: bases a window.")] = 1024,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or tpu.")] = "auto",
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 2,
) -> None:
    """Measure a model on held-out data, with bootstrap intervals, beside its baselines."""
    from genomelm.errors import UsageError
    from genomelm.files import write_json
    from genomelm.runtime import choose_device, set_threads

    set_threads(threads)
    if task is not None:
        if data is None:
            raise UsageError("--task needs the task's --data")
        write_json(out, _evaluate_task(task, data, genome, split, runs))
        return
    if genome is None or patches is None or not region:
        raise UsageError("a language model needs --genome, --patches and --region (or give --task)")
    if len(runs) != 1:
        raise UsageError(f"give one language model, not {len(runs)}")
    write_json(out, _evaluate_language_model(runs[0], genome, patches, region, window, choose_device(device)))


def _evaluate_language_model(
    model_path: Path, fasta: Path, patches: Path, regions: list[str], window: int, device
) -> dict:
    import logging

    from genomelm.errors import UsageError
    from genomelm.files import provenance, read_json, sha256
    from genomelm.models import load_model
    from genomelm.patching.patcher import Patcher
    from genomelm.patching.store import PatchStore
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval, check_apart
    from genomelm.tasks.metrics import bootstrap_ratio
    from genomelm.training.evaluation import backbone_as_mean, count_model_bits, random_boundaries, window_bits
    from genomelm.training.windows import GenomeWindows

    log = logging.getLogger(__name__)
    model = load_model(model_path, device)
    if model.head_kind != "causal_lm":
        raise UsageError(
            f"{model_path} has a {model.head_kind} head: bits per base need a language model (or give --task)"
        )
    patcher = Patcher.load(patches / "patcher")
    if model.patcher is None or model.patcher.fingerprint != patcher.fingerprint:
        raise UsageError(
            f"{model_path} was trained with other patches than {patches}: give the folder it was trained with"
        )
    intervals = [Interval.parse(text) for text in regions]
    metrics = model_path.parent / "metrics.json"
    trained = read_json(metrics)["provenance"]["train_regions"] if metrics.is_file() else []
    check_apart(intervals, map(Interval.parse, trained), "the model's training region")
    if patcher.model is not None:
        check_apart(intervals, map(Interval.parse, patcher.model.training), "the count model's training region")
    with Genome(fasta) as genome:
        windows = GenomeWindows(
            genome, PatchStore(patches / "store", fingerprint=patcher.fingerprint), patcher, intervals, window
        )
        tiles = windows.tiles()
        bits, counts = window_bits(model, windows, tiles, device)
        log.info("held-out bits per base: %.4f over %d bases", bits.sum() / counts.sum(), counts.sum())
        ablated = {}
        with backbone_as_mean(model):
            ablated["backbone_mean"] = window_bits(model, windows, tiles, device)[0]
        ablated["random_boundaries"] = window_bits(model, windows, tiles, device, random_boundaries)[0]
        for name, values in ablated.items():
            log.info("ablation %s: %+.4f bits per base", name, (values - bits).sum() / counts.sum())
        result = {
            "bases": int(counts.sum()),
            "windows": len(tiles),
            "window": window,
            "bits_per_base": bootstrap_ratio(bits, counts),
            "uniform": 2.0,
            "ablations": {
                name: {
                    **bootstrap_ratio(values - bits, counts),
                    "delta": float((values - bits).sum() / counts.sum()),
                    "value": float(values.sum() / counts.sum()),
                }
                for name, values in ablated.items()
            },
            "provenance": provenance(
                model=sha256(model_path / "model.safetensors"),
                patching=patcher.fingerprint,
                reference=genome.digest,
                regions=[str(interval) for interval in intervals],
                device=str(device),
                dtype="float32",
            ),
        }
        if patcher.model is not None:
            counted = count_model_bits(patcher.model, windows, tiles)
            result["count_model"] = bootstrap_ratio(counted, counts)
            result["difference"] = bootstrap_ratio(bits - counted, counts)
        if [str(interval) for interval in intervals] == [PUBLISHED["region"]]:
            result["published"] = {key: PUBLISHED[key] for key in ("name", "value")}
        return result


def _evaluate_task(task_file: Path, data: Path, genome: Path | None, split: Path | None, runs: list[Path]) -> dict:
    import numpy as np
    import pandas as pd

    from genomelm.errors import InputError, UsageError
    from genomelm.files import provenance, sha256
    from genomelm.settings import read_config
    from genomelm.tasks.baselines import baseline_predictions
    from genomelm.tasks.config import TaskConfig
    from genomelm.tasks.examples import leakage
    from genomelm.tasks.metrics import compare
    from genomelm.tasks.read import read_examples

    task = read_config(TaskConfig, task_file)
    examples = read_examples(task, data, genome, split)
    test = examples.where("test")
    predictions = []
    for run in runs:
        file = run / "predictions.tsv"
        if not file.is_file():
            raise UsageError(f"{file} does not exist: finish this run with `genomelm finetune` first")
        table = pd.read_csv(file, sep="\t")
        if list(table["name"]) != list(test.names):
            raise InputError(f"{file} does not hold the test examples of {data}: run `genomelm finetune` again")
        predictions.append(table["prediction"].to_numpy(np.float64))
    compared = compare(task.metric, test.labels, np.stack(predictions), baseline_predictions(task, examples))
    baseline = "kmer_1_6"
    strongest = max(compared["baselines"], key=lambda name: compared["baselines"][name]["value"])
    targets = {}
    if task.target is not None:
        targets = {"text": f"{task.metric} >= {task.target:g}", "value": task.target}
    elif task.target_over_baseline is not None:
        value = compared["baselines"][baseline]["value"] + task.target_over_baseline
        targets = {"text": f"{task.metric} >= {baseline} + {task.target_over_baseline:g}", "value": value}
    return {
        "task": task.name,
        "metric": task.metric,
        "target": targets,
        "model": {**compared["model"], "seeds": compared["seeds"]},
        "baselines": compared["baselines"],
        "difference": {"baseline": strongest, **compared["differences"][strongest]},
        "differences": compared["differences"],
        "leakage": leakage(examples),
        "n_train": len(examples.where("train")),
        "n_test": len(test),
        "provenance": provenance(
            runs=[run.name for run in runs],
            data=sha256(data),
            models=[sha256(r / "model" / "model.safetensors") for r in runs],
        ),
    }
