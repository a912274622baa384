"""`genomelm report`: turn a results directory into one self-contained HTML page, JSON and text."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    results: Annotated[Path, typer.Argument(help="Results directory of a run.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="JSON of every number on the page (default: beside the page).")
    ] = None,
    summary: Annotated[
        Path | None, typer.Option("--summary", help="Folder for summary.json and summary.txt (default: RESULTS).")
    ] = None,
    expect: Annotated[
        list[str] | None, typer.Option("--expect", help="File under RESULTS whose absence is a warning; repeatable.")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title of the page.")] = "genomelm report",
    readme: Annotated[
        Path | None, typer.Option("--readme", help="Markdown file whose table of figures is written anew.")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=0, help="Variants listed a scored file, by |score|.")] = 200,
) -> None:
    """Write the report of a run: verdict strip, held-out figures, loci, variants and known sites.

    Runs no model and opens no connection. A missing input is a warning in the report, not an error.
    """
    from genomelm.report.build import write
    from genomelm.report.readme import update
    from genomelm.report.summary import shorten

    made = write(
        results,
        output,
        json_path=json_file,
        summary_dir=summary,
        title=title,
        top=top,
        expected=tuple(expect or ()),
    )
    if readme is not None:
        update(readme, shorten(made))
    counts = made["counts"]
    typer.echo(
        f"{output}: {made['verdict'].upper()} ({counts['pass']} pass, {counts['warn']} warn, {counts['fail']} fail)"
    )
