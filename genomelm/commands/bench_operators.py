"""`genomelm bench operators`: speed and memory of single operators, each held against float64 in the same run."""

from pathlib import Path
from typing import Annotated

import typer


def operators(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="JSON file to write.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Stop (exit 5) when there is no GPU.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 2,
    compiled: Annotated[bool, typer.Option("--compile", help="Run through torch.compile.")] = False,
    repeats: Annotated[int, typer.Option("--repeats", min=5, help="Timings of each, of which the median counts.")] = 5,
    convolved: Annotated[int, typer.Option("--convolved", min=1, help="Rows of the long convolutions.")] = 131_072,
    mixed: Annotated[int, typer.Option("--mixed", min=1, help="Rows of S5 and BigBird.")] = 65_536,
) -> None:
    """Time the operators that mix patches; nothing else should run on the device meanwhile."""
    from genomelm.bench.machine import machine
    from genomelm.bench.operator_speed import line, measure_operators
    from genomelm.files import write_json
    from genomelm.runtime import choose_device, set_threads

    set_threads(threads)
    rows = []
    for row in measure_operators(choose_device(device, require_gpu), repeats, compiled, convolved, mixed):
        rows.append(row)
        typer.echo(line(row))
    if out is not None:
        write_json(out, {"kind": "operator speed", "rows": rows, "provenance": machine()})
