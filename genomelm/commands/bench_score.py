"""`genomelm bench score`: variants a second from shared passes, beside two full passes a variant."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, TorchThreads


def score(
    fasta: Annotated[Path, typer.Argument(help="Genome FASTA, plain, gzip or bgzip.")],
    model: Annotated[Path, typer.Option("-m", "--model", help="Model directory: a language model.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
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
    """Time both ways in turn; scores that differ by more than 1e-4 nats end the run."""
    from genomelm.bench.machine import machine
    from genomelm.bench.score_speed import score_speed
    from genomelm.commands.model_input import open_model
    from genomelm.files import write_json
    from genomelm.seq.genome import Genome

    loaded, digest = open_model(model, device, require_gpu, threads)
    found = []
    with Genome(fasta) as genome:
        for distance in apart or [10]:
            result = score_speed(loaded, genome, variants, distance, width, plain, repeats)
            found.append(result)
            fast, slow = (row["positions_per_s"] for row in result["rows"])
            typer.echo(
                f"a substitution every {distance} bases, windows of {width:,}: {fast:,.0f} a second, "
                f"{slow:,.1f} by two passes each: {result['ratio']:.1f} times as many"
            )
        facts = {"genome": fasta.name, "genome_sha256": genome.digest, "model": digest}
    kind = {"family": loaded.config.model_type, "objective": loaded.objective}
    facts |= {**kind, "model_device": str(loaded.device), "threads": threads}
    write_json(out, {"kind": "score speed", "results": found, "provenance": machine(**facts)})
