"""`genomelm bench compare`: Gryphon, Hyena-GLT, transformer and CNN of equal parameters on equal operations."""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, Threads

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Config = Annotated[Path, typer.Option("--config", help="Grid file, such as configs/bench/compare.yaml.")]
Prepared = Annotated[Path, typer.Option("--prepared", help="Folder that `prepare` wrote.")]


@app.callback()
def compare() -> None:
    """The model families on equal parameters and operations: bits per base, associative recall, a far enhancer."""


@app.command()
def prepare(
    config: Config,
    data: Annotated[Path, typer.Option("--data", help="Folder of the files that the grid file names.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
) -> None:
    """Check that the models are of equal size and cut the genome; the rest of the benchmark reads OUT alone."""
    from genomelm.bench.compare_data import prepare as run
    from genomelm.bench.compare_data import sizes
    from genomelm.bench.compare_grid import CompareConfig
    from genomelm.settings import read_config

    grid = read_config(CompareConfig, config)
    facts = run(grid, data, out)
    for name, size in sizes(grid).items():
        tables = size["tables"]
        typer.echo(f"{name}: {size['parameters'] - tables:,} parameters, and {tables:,} of k-mer tables")
    typer.echo(f"{facts['name']}: {facts['bases']['train']:,} bases to train on, {facts['bases']['test']:,} held out")


@app.command()
def cell(
    config: Config,
    prepared: Prepared,
    part: Annotated[
        str, typer.Option("--part", help="language, recall, enhancer, control, depth, speed or control_speed.")
    ],
    model: Annotated[str, typer.Option("--model", help="Name in the grid file; of controls: transformer or classic.")],
    size: Annotated[
        int, typer.Option("--size", help="Bases of a window, of the longest sequence, or (recall) of a patch.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file that the row is added to.")],
    seed: Annotated[int, typer.Option("--seed", help="Seed of initial weights and data order.")] = 1,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
) -> None:
    """Run one cell and add its row to OUT; a cell that OUT has already is left out."""
    from genomelm.bench.cell_rows import add_row, read_rows
    from genomelm.bench.compare_cell import run_cell
    from genomelm.bench.compare_grid import KEYS, CompareConfig, find_cell
    from genomelm.runtime import choose_device, set_threads
    from genomelm.settings import read_config

    grid = read_config(CompareConfig, config)
    wanted = find_cell(grid, part, model, size, seed)
    if out.exists() and (part, model, size, seed) in read_rows([out], KEYS):
        typer.echo(f"{wanted}: {out} has it already")
        return
    set_threads(threads)
    row = run_cell(grid, prepared, wanted, choose_device(device, require_gpu))
    add_row(out, row)
    typer.echo(f"{wanted}: done")


@app.command()
def table(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files that `cell` wrote, joined or not.")],
    config: Config,
    prepared: Prepared,
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write: a row a model and length.")],
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Markdown file whose text of this benchmark is written anew.")
    ] = None,
) -> None:
    """Join the cells into one JSON file, and print tables and what they say for and against the first model."""
    from genomelm.bench import compare_text
    from genomelm.bench.cell_rows import read_rows
    from genomelm.bench.compare_grid import KEYS, CompareConfig
    from genomelm.bench.compare_table import results
    from genomelm.bench.machine import machine
    from genomelm.files import write_json
    from genomelm.report.readme import replace_block
    from genomelm.settings import read_config, to_mapping

    here, grid = machine(), read_config(CompareConfig, config)  # before a tracked file changes
    found = results(grid, prepared, read_rows(files, KEYS))
    text = compare_text.text(found)
    if markdown is not None:
        replace_block(markdown, compare_text.BEGIN, compare_text.END, text)
    write_json(out, {"machine": here, "config": to_mapping(grid), **found})
    typer.echo(text)
    if found["missing"]:
        typer.echo(f"{len(found['missing'])} cells were not run: {', '.join(found['missing'])}", err=True)
