"""`genomelm repeat`: a directory that runs a recorded run of the workflow again."""

from pathlib import Path
from typing import Annotated

import typer


def repeat(
    record: Annotated[Path, typer.Argument(metavar="RUN.json", help="Record of a run: results/run.json.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write into; made where it is missing.")],
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", help="Directory below which the recorded inputs lie. Default: the run's own."),
    ] = None,
) -> None:
    """Write a directory from the record of a run, after comparing every input with its recorded digest.

    Config and small config files are written from the record; data are linked to where they lie. An input that is
    missing ends this with exit 3, one that differs with exit 6. Files that the run downloaded are fetched again, and
    compared with the manifest's digests then.
    """
    import json

    from genomelm.commands.workflow_directory import SNAKEFILE, config_text, profile_texts, write_directory
    from genomelm.commands.workflow_repeat import differing_versions, located_inputs, place_links
    from genomelm.errors import InputError

    try:
        run = json.loads(record.read_text(encoding="utf-8"))
        kind = run["kind"]
    except (OSError, ValueError, KeyError, TypeError):
        kind = None
    if kind != "run":
        raise InputError(f"{record} is not the record of a run: give the file run.json of a results folder")
    texts, links = located_inputs(run, inputs or _directory_of(record, run))
    files = {"config.yaml": config_text(run["config"], f"As in {record.name}, written {run['provenance']['date']}.")}
    files |= {"Snakefile": SNAKEFILE, **profile_texts(None, False)}
    for name in texts:
        if name in files:
            raise InputError(f"{record} has an input called {name}, a name that this directory needs itself")
    write_directory(folder, files | texts)
    place_links(folder, links)
    for name, before, now in differing_versions(run):
        typer.echo(f"warning: {name} was {before}, here it is {now}", err=True)
    typer.echo(f"{folder}: {len(files) + len(texts)} files, {len(links)} links to inputs of the recorded digests")
    typer.echo(f"next: cd {folder} && snakemake --profile local")


def _directory_of(record: Path, run: dict) -> Path:
    """Return the working directory of the run, when the record still lies in its results folder."""
    below = Path(run["config"]["results"]) / record.name
    whole = record.resolve()
    return whole.parents[len(below.parts) - 1] if whole.parts[-len(below.parts) :] == below.parts else whole.parent
