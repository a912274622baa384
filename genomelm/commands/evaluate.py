"""`genomelm evaluate`: measure a language model, or the runs of a task beside its baselines."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Device, Threads

if TYPE_CHECKING:
    import torch

    from genomelm.models.model import GenomeModel
    from genomelm.seq.interval import Interval

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
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Task: table, FASTA, BED, GFF, bigWig or VCF. Language model: data file (configs/data/README.md), "
            "instead of --genome, --patches and --region.",
        ),
    ] = None,
    held_out: Annotated[
        str, typer.Option("--held-out", help="Language model with --data: test or validation.")
    ] = "test",
    most_rows: Annotated[
        int, typer.Option("--most-rows", min=1, help="Language model with --data: rows a source, evenly spaced.")
    ] = 2000,
    labels: Annotated[Path | None, typer.Option("--labels", help="Task: table of a VCF's labels.")] = None,
    split: Annotated[Path | None, typer.Option("--split", help="Task: fixed split file.")] = None,
    genome: Annotated[Path | None, typer.Option("--genome", help="Genome FASTA.")] = None,
    patches: Annotated[
        Path | None, typer.Option("--patches", help="Language model: folder of `genomelm patch`.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option("--region", help="Language model: held-out interval C:a-b; may be repeated.")
    ] = None,
    window: Annotated[int, typer.Option("--window", min=16, help="Language model: bases a window.")] = 1024,
    long_window: Annotated[
        int | None,
        typer.Option("--long-window", min=16, help="Language model: measure windows of so many bases too."),
    ] = None,
    codon_phase: Annotated[
        Path | None,
        typer.Option("--codon-phase", help="Language model with positions.codon: GFF3 or GTF of the genome."),
    ] = None,
    conservation: Annotated[
        Path | None,
        typer.Option("--conservation", help="Language model with branches.conservation: bigWig, bedGraph or BED."),
    ] = None,
    device: Device = "auto",
    threads: Threads = 2,
) -> None:
    """Measure a model on held-out data, with bootstrap intervals, beside its baselines."""
    from genomelm.errors import UsageError
    from genomelm.files import write_json
    from genomelm.runtime import choose_device, set_threads

    set_threads(threads)
    if task is not None:
        if data is None:
            raise UsageError("--task needs the task's --data")
        if codon_phase or conservation:
            raise UsageError("--codon-phase and --conservation are for language models: leave them out beside --task")
        write_json(out, _evaluate_task(task, (data, genome, split, labels), runs))
        return
    if len(runs) != 1:
        raise UsageError(f"give one language model, not {len(runs)}")
    chosen, sides = choose_device(device), (codon_phase, conservation)
    if data is not None:
        if genome or patches or region or long_window or any(sides):
            raise UsageError(
                "--data names all sources: leave out --genome, --patches, --region, --long-window and tracks"
            )
        write_json(out, _evaluate_sources(runs[0], data, held_out, window, most_rows, chosen))
        return
    if genome is None or patches is None or not region:
        raise UsageError("a language model needs --genome, --patches and --region, or --data (or give --task)")
    write_json(out, _evaluate_language_model(runs[0], genome, patches, region, (window, long_window), sides, chosen))


def _evaluate_language_model(
    model_path: Path,
    fasta: Path,
    patches: Path,
    regions: list[str],
    lengths: tuple[int, int | None],
    sides: tuple[Path | None, Path | None],
    device: "torch.device",
) -> dict:
    from genomelm.commands.model_input import located
    from genomelm.errors import UsageError
    from genomelm.files import provenance, sha256
    from genomelm.models.loading import load_patcher
    from genomelm.patching.store import PatchStore
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval, check_apart
    from genomelm.training.measure import measure, measure_long
    from genomelm.training.side_tracks import SideTracks
    from genomelm.training.windows import GenomeWindows

    model = _language_model(model_path, device)
    patcher = load_patcher(patches / "patcher", device)
    if model.reads_several:
        model.read(patcher.config.alphabet)
    if model.patcher is None or model.patcher.fingerprint != patcher.fingerprint:
        raise UsageError(
            f"{model_path} was trained with other patches than {patches}: give the folder it was trained with"
        )
    intervals = [Interval.parse(text) for text in regions]
    check_apart(intervals, _trained(model_path), "the model's training region")
    window, long_window = lengths
    switches = ("codon_phase" in model.side_inputs, "conservation" in model.side_inputs)
    with Genome(fasta) as genome, SideTracks(genome, *switches, *sides) as side:
        for text in regions:
            located(genome, text, "--region")
        store = PatchStore(patches / "store", fingerprint=patcher.fingerprint)
        if store.facts.get("fitted_on_it", True):
            check_apart(intervals, map(Interval.parse, patcher.training), "the training region of the patches' scores")
        result = {
            "family": model.config.model_type.removeprefix("genomelm_"),
            **measure(model, GenomeWindows(genome, store, patcher, intervals, window, side), device),
            "provenance": provenance(
                model=sha256(model_path / "model.safetensors"),
                patching=patcher.fingerprint,
                reference=genome.digest,
                **side.facts(),
                regions=[str(interval) for interval in intervals],
                device=str(device),
                dtype="float32",
            ),
        }
        if long_window is not None:
            windows = GenomeWindows(genome, store, patcher, intervals, long_window, side)
            result["long"] = measure_long(model, windows, device)
    if [str(interval) for interval in intervals] == [PUBLISHED["region"]] and model.objective == "causal":
        result["published"] = {key: PUBLISHED[key] for key in ("name", "value")}
    return result


def _evaluate_sources(
    model_path: Path, data_file: Path, split: str, window: int, most_rows: int, device: "torch.device"
) -> dict:
    """Return bits per letter of each source of a data file."""
    from genomelm.errors import UsageError
    from genomelm.files import provenance, sha256
    from genomelm.training.data_config import SPLITS, read_data_file
    from genomelm.training.measure_sources import measure_sources
    from genomelm.training.sources import opened

    if split not in SPLITS[1:]:
        raise UsageError(f"--held-out '{split}' is unknown; choose {' or '.join(SPLITS[1:])}")
    config = read_data_file(data_file)
    model = _language_model(model_path, device)
    with opened(config, "codon_phase" in model.side_inputs, "conservation" in model.side_inputs, device) as sources:
        return {
            "family": model.config.model_type.removeprefix("genomelm_"),
            "objective": model.objective,
            "split": split,
            "window": window,
            "sources": measure_sources(model, sources, split, window, most_rows, _trained(model_path), device),
            "provenance": provenance(
                model=sha256(model_path / "model.safetensors"),
                data=sha256(data_file),
                **sources.facts(),
                device=str(device),
                dtype="float32",
            ),
        }


def _language_model(path: Path, device: "torch.device") -> "GenomeModel":
    """Load a language model.

    Raises:
        UsageError: it has another head.
    """
    from genomelm.errors import UsageError
    from genomelm.models import load_model

    model = load_model(path, device)
    if not model.is_language_model:
        raise UsageError(f"{path} has a {model.head_kind} head: bits per base need a language model (or give --task)")
    return model


def _trained(model_path: Path) -> "list[Interval]":
    """Return the intervals that a model was trained on, as the file beside its folder says; none without one."""
    from genomelm.files import read_json
    from genomelm.seq.interval import Interval

    metrics = model_path.parent / "metrics.json"
    found = read_json(metrics)["provenance"].get("train_regions", []) if metrics.is_file() else []
    return list(map(Interval.parse, found))


def _evaluate_task(task_file: Path, files: tuple[Path | None, ...], runs: list[Path]) -> dict:
    import numpy as np

    from genomelm.commands.task_inputs import task_inputs
    from genomelm.files import provenance, sha256
    from genomelm.settings import read_config
    from genomelm.tasks.config import TaskConfig
    from genomelm.tasks.judge import judge
    from genomelm.tasks.predictions import predictions_file, read_predictions

    task = read_config(TaskConfig, task_file)
    given = task_inputs([task], *([file] if file else [] for file in files))[0]
    examples = given.examples()
    test = examples.where("test")
    predictions = [read_predictions(predictions_file(run, task), task, test, given.data) for run in runs]
    return {
        **judge(task, examples, np.stack(predictions)),
        "provenance": provenance(
            runs=[run.name for run in runs],
            data=sha256(given.data),
            models=[sha256(r / "model" / "model.safetensors") for r in runs],
        ),
    }
