"""`genomelm bench patching`: one model trained on equal operations for each way to cut a genome into patches."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, Threads

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Config = Annotated[Path, typer.Option("--config", help="Grid file, such as configs/bench/patching.yaml.")]
Prepared = Annotated[Path, typer.Option("--prepared", help="Folder that `prepare` wrote: one folder a genome.")]


@app.callback()
def patching() -> None:
    """What patching buys: held-out bits per base and training speed by mean patch and way to cut."""


@app.command()
def prepare(
    config: Config,
    data: Annotated[Path, typer.Option("--data", help="Folder of the FASTA files that the grid file names.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write: one folder a genome.")],
) -> None:
    """Cut every genome in every way that needs scores; the rest of the benchmark reads OUT alone."""
    from genomelm.bench.patching_data import prepare as run
    from genomelm.bench.patching_grid import GridConfig
    from genomelm.settings import read_config

    grid = read_config(GridConfig, config)
    for genome in grid.genomes:
        facts = run(grid, genome, data, out / genome.name)
        typer.echo(f"{genome.name}: {facts['bases']['train']:,} bases to train on, {facts['bases']['test']:,} held out")


@app.command()
def cell(
    config: Config,
    prepared: Prepared,
    genome: Annotated[str, typer.Option("--genome", help="Name of the genome in the grid file.")],
    way: Annotated[str, typer.Option("--way", help="How it is cut; byte at mean 1.")],
    mean: Annotated[int, typer.Option("--mean", help="Mean patch, bases.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write, one line.")],
    seed: Annotated[int, typer.Option("--seed", help="Seed of initial weights and data order.")] = 1,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
) -> None:
    """Train and score one cell, then time its steps; nothing else should run on the device meanwhile."""
    import json

    from genomelm.bench.patching_cell import time_cell, train_cell
    from genomelm.bench.patching_grid import GridConfig, find_cell
    from genomelm.files import write_text
    from genomelm.runtime import choose_device, set_threads
    from genomelm.settings import read_config

    grid = read_config(GridConfig, config)
    wanted = find_cell(grid, genome, way, mean, seed)
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
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write: facts of the genomes, a row a cell.")],
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Markdown file whose table of this benchmark is written anew.")
    ] = None,
) -> None:
    """Join the cells into one JSON file and print the table."""
    from genomelm.bench import patching_table
    from genomelm.bench.cell_rows import read_rows
    from genomelm.bench.machine import machine
    from genomelm.bench.patching_grid import GridConfig
    from genomelm.files import write_json
    from genomelm.report.readme import replace_block
    from genomelm.settings import read_config, to_mapping

    here, grid = machine(), read_config(GridConfig, config)  # before a tracked file changes
    found = patching_table.results(grid, prepared, read_rows(files, patching_table.KEYS))
    text = patching_table.table(grid, found)
    if markdown is not None:
        replace_block(markdown, patching_table.BEGIN, patching_table.END, text)
    write_json(out, {"machine": here, "config": to_mapping(grid), **found})
    typer.echo(text)
    if found["missing"]:
        typer.echo(f"{len(found['missing'])} cells were not run: {', '.join(found['missing'])}", err=True)
