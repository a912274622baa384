"""`genomelm bench score`: variants a second from shared passes, beside two full passes a variant."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, TorchThreads

if TYPE_CHECKING:
    from genomelm.models.model import GenomeModel

RANDOM_BASES = 4_000_000
"""Of the genome that is read where none is given."""


def score(
    model: Annotated[
        Path,
        typer.Option(
            "-m", "--model", help="Model directory of a language model; or a model file (.yaml): random weights."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
    fasta: Annotated[
        Path | None, typer.Argument(help="Genome FASTA, plain, gzip or bgzip; without one, 4 Mb of random bases.")
    ] = None,
    objective: Annotated[
        str | None, typer.Option("--objective", help="causal or masked, in place of a model file's own.")
    ] = None,
    mean_patch: Annotated[int, typer.Option("--mean-patch", min=1, help="Bases of a patch, with a model file.")] = 8,
    variants: Annotated[int, typer.Option("-n", "--variants", min=2, help="Substitutions of the fast way.")] = 512,
    apart: Annotated[
        list[int] | None,
        typer.Option("--apart", min=1, help="Bases from one substitution to the next; repeatable. Default: 10."),
    ] = None,
    width: Annotated[int, typer.Option("--width", min=8, help="Bases of a window.")] = 1024,
    plain: Annotated[int, typer.Option("--plain", min=2, help="Substitutions that the plain way scores too.")] = 16,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Timings of each, of which the median counts.")] = 5,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: TorchThreads = None,
) -> None:
    """Time both ways in turn, and the whole of `genomelm score`; scores that differ by over 1e-4 nats end the run."""
    import torch

    from genomelm.bench.budget_cell import device_facts
    from genomelm.bench.machine import machine
    from genomelm.bench.score_speed import score_speed, write_random_genome
    from genomelm.commands.model_input import open_model
    from genomelm.errors import UsageError
    from genomelm.files import write_json
    from genomelm.seq.genome import Genome

    if model.suffix in (".yaml", ".yml"):
        loaded, weights = _made(model, objective, mean_patch, device, require_gpu, threads), "random"
    elif objective is not None:
        raise UsageError(f"--objective changes a model file, and {model} is a folder of weights: leave it out")
    else:
        loaded, weights = open_model(model, device, require_gpu, threads)
    found = []
    with contextlib.ExitStack() as stack:
        if fasta is None:
            import tempfile

            fasta = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "random.fa"
            write_random_genome(fasta, RANDOM_BASES)
        genome = stack.enter_context(Genome(fasta))
        for distance in apart or [10]:
            result = score_speed(loaded, genome, variants, distance, width, plain, repeats)
            found.append(result)
            fast, slow, whole = (row["positions_per_s"] for row in result["rows"])
            typer.echo(
                f"a substitution every {distance} bases, windows of {width:,}: {fast:,.0f} a second, "
                f"{slow:,.1f} by two passes each: {result['ratio']:.1f} times as many; "
                f"{whole:,.0f} with reading and writing"
            )
        facts = {"genome": fasta.name, "genome_sha256": genome.digest, "model": weights}
    kind = {"family": loaded.config.model_type, "objective": loaded.objective}
    facts |= {**kind, "model_device": str(loaded.device), "threads": threads or torch.get_num_threads()}
    if weights == "random":
        facts["file"] = model.stem
    if loaded.device.type == "cuda":
        facts["gpu"] = device_facts(loaded.device)["device"]
    write_json(out, {"kind": "score speed", "results": found, "provenance": machine(**facts)})


def _made(
    file: Path, objective: str | None, mean_patch: int, device: str, require_gpu: bool, threads: int | None
) -> "GenomeModel":
    """Return the language model of a model file with weights of a fixed seed and patches of a fixed stride."""
    import dataclasses

    from genomelm.bench.model_speed import new_model
    from genomelm.errors import UsageError
    from genomelm.models.config import read_model_file
    from genomelm.models.families import config_of
    from genomelm.patching.config import PatcherConfig
    from genomelm.patching.patcher import Patcher
    from genomelm.runtime import choose_device, set_threads

    if threads is not None:
        set_threads(threads)
    settings = read_model_file(file)
    if objective is not None:
        if objective not in ("causal", "masked"):
            raise UsageError(f"--objective {objective} is unknown; choose causal or masked")
        settings = dataclasses.replace(settings, shell=dataclasses.replace(settings.shell, objective=objective))
    model = new_model(config_of(settings)).to(choose_device(device, require_gpu)).eval()
    model.patcher = Patcher(PatcherConfig("fixed_stride", stride=mean_patch))
    return model
