"""`genomelm bench ablate`: what each part of a model is worth, on equal bases and several seeds."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, Threads

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Config = Annotated[Path, typer.Option("--config", help="Grid file, such as configs/bench/ablate.yaml.")]
Prepared = Annotated[Path, typer.Option("--prepared", help="Folder that `prepare` wrote.")]


@app.callback()
def ablate() -> None:
    """What each part of a model is worth: held-out bits per base, speed and memory of models that differ in one."""


@app.command()
def prepare(
    config: Config,
    data: Annotated[Path, typer.Option("--data", help="Folder of the files that the grid file names.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
) -> None:
    """Cut the genome in every way that the grid reads; the rest of the benchmark reads OUT alone."""
    from genomelm.bench.ablate_data import prepare as run
    from genomelm.bench.ablate_grid import AblateConfig
    from genomelm.settings import read_config

    grid = read_config(AblateConfig, config)
    facts = run(grid, data, out)
    typer.echo(f"{facts['name']}: {facts['bases']['train']:,} bases to train on, {facts['bases']['test']:,} held out")


@app.command()
def cell(
    config: Config,
    prepared: Prepared,
    name: Annotated[str, typer.Option("--name", help="Name of the change in the grid file, or base.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write, one line.")],
    seed: Annotated[int, typer.Option("--seed", help="Seed of initial weights and data order.")] = 1,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
) -> None:
    """Train and score one model, then time its steps; nothing else should run on the device meanwhile."""
    import json

    from genomelm.bench.ablate_cell import time_cell, train_cell
    from genomelm.bench.ablate_grid import AblateConfig, find_cell
    from genomelm.files import write_text
    from genomelm.runtime import choose_device, set_threads
    from genomelm.settings import read_config

    grid = read_config(AblateConfig, config)
    wanted = find_cell(grid, name, seed)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    row = train_cell(grid, prepared, wanted, chosen) | time_cell(grid, prepared, wanted, chosen)
    write_text(out, json.dumps(row, allow_nan=False) + "\n")
    speed = row["speed"]["bytes_per_second"] / 1e6
    typer.echo(f"{wanted}: {row['bits_per_base']:.4f} bits per base, {speed:.3f} Mb/s")


@app.command()
def table(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files that `cell` wrote, joined or not.")],
    config: Config,
    prepared: Prepared,
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write: a row a model.")],
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Markdown file whose tables of this benchmark are written anew.")
    ] = None,
) -> None:
    """Join the cells into one JSON file and print the tables."""
    from genomelm.bench import ablate_table
    from genomelm.bench.ablate_grid import AblateConfig
    from genomelm.bench.cell_rows import read_rows
    from genomelm.bench.machine import machine
    from genomelm.files import write_json
    from genomelm.report.readme import replace_block
    from genomelm.settings import read_config, to_mapping

    here, grid = machine(), read_config(AblateConfig, config)  # before a tracked file changes
    found = ablate_table.results(grid, prepared, read_rows(files, ablate_table.KEYS))
    text = ablate_table.table(found)
    if markdown is not None:
        replace_block(markdown, ablate_table.BEGIN, ablate_table.END, text)
    write_json(out, {"machine": here, "config": to_mapping(grid), **found})
    typer.echo(text)
    if found["missing"]:
        typer.echo(f"{len(found['missing'])} cells were not run: {', '.join(found['missing'])}", err=True)
