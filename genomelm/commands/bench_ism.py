"""`genomelm bench ism`: seconds of saturation mutagenesis, beside one forward pass a mutant."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, TorchThreads

if TYPE_CHECKING:
    from genomelm.models.model import GenomeModel

HEADS = ("language", "regression")


def ism(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="Model files (weights are drawn), or model directories.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
    length: Annotated[
        list[int] | None, typer.Option("--length", min=8, help="Bases of the sequence; repeatable. Default: 1000.")
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", help="Of model files: language or regression; repeatable. Default: both."),
    ] = None,
    sample: Annotated[int, typer.Option("--sample", min=2, help="Mutants that get a pass of their own.")] = 64,
    mean_patch: Annotated[int, typer.Option("--mean-patch", min=1, help="Of model files: bases of a patch.")] = 8,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Timings of a map; the median counts.")] = 3,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
) -> None:
    """Time the map of a random sequence, and one forward pass a mutant on a sample of them, extrapolated to all.

    Effects that differ from those of single passes by more than 1e-5 end the run (exit 7). The file grows by each row.
    """
    import numpy as np

    from genomelm.bench.ism_speed import TOLERANCE, ism_speed
    from genomelm.bench.machine import machine
    from genomelm.errors import NumericalError, UsageError
    from genomelm.files import write_json
    from genomelm.seq.alphabet import ALPHABETS

    if unknown := sorted(set(head or ()) - set(HEADS)):
        raise UsageError(f"--head {unknown[0]} is unknown; choose {' or '.join(HEADS)}")
    rows = []
    for name, kind, model in _opened(models, head or HEADS, mean_patch, device, require_gpu, threads):
        letters = list(ALPHABETS[model.alphabet].letters)
        for bases in length or [1000]:
            sequence = "".join(np.random.default_rng(bases).choice(letters, bases))
            row = {"model": name, "head": kind, **ism_speed(model, sequence, sample, repeats)}
            rows.append(row)
            write_json(out, {"kind": "ism speed", "rows": rows, "provenance": machine(threads=threads)})
            typer.echo(
                f"{name}, {kind}, {bases:,} bases, {row['path']}: {row['map_s']:.2f} s for {row['mutants']:,} mutants "
                f"(whole windows in batches {row['batched_s']:.2f} s, a pass each {row['every_s']:.1f} s "
                f"extrapolated from {row['sampled']}): {row['ratio']:.1f} times as fast, largest difference "
                f"{row['largest_difference']:.0e}"
            )
    if wrong := [row for row in rows if not row["equal"]]:
        raise NumericalError(
            f"{wrong[0]['model']}, {wrong[0]['head']}: effects differ from those of single passes by "
            f"{wrong[0]['largest_difference']:.1e}, more than {TOLERANCE}; {out} holds all rows"
        )


def _opened(
    paths: list[Path], heads: tuple[str, ...] | list[str], mean_patch: int, device: str, require_gpu: bool, threads
) -> "Iterator[tuple[str, str, GenomeModel]]":
    """Yield each model with its name and the kind of its head; of a model file, fresh weights with each head."""
    import numpy as np

    from genomelm.commands.model_input import open_model
    from genomelm.models.config import read_model_file
    from genomelm.patching.config import PatcherConfig
    from genomelm.patching.patcher import Patcher
    from genomelm.runtime import choose_device, set_threads
    from genomelm.tasks.config import TaskConfig
    from genomelm.training.finetune import task_model
    from genomelm.training.pretrain import new_model

    if threads is not None:
        set_threads(threads)
    chosen = choose_device(device, require_gpu)
    for path in paths:
        if path.is_dir():
            model = open_model(path, device, require_gpu, threads)[0]
            yield path.name, model.head_kind, model
            continue
        settings = read_model_file(path)
        language = new_model(settings, Patcher(PatcherConfig("fixed_stride", stride=mean_patch)), seed=0)
        task = TaskConfig(name="fresh", kind="regression", label_column="label", alphabet=language.alphabet)
        for head in heads:
            model = language if head == "language" else task_model(language, task, np.array([-1.0, 1.0]), seed=0)
            yield path.stem, model.head_kind, model.to(chosen).eval()
