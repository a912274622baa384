"""`genomelm bench speeds`: join `bench model`, `operators`, `generate`, `score` and `ism` into one file and tables."""

from pathlib import Path
from typing import Annotated

import typer


def speeds(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files of `bench model`, `operators`, `generate`, `score`, `ism`."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Markdown file whose tables of this benchmark are written anew.")
    ] = None,
) -> None:
    """Join measurements of models, operators, generation, scoring and attribution into one file; print the tables."""
    from genomelm.bench import speed_table
    from genomelm.files import write_json
    from genomelm.report.readme import replace_block

    runs = speed_table.read_runs(files)
    text = speed_table.table(runs)
    if markdown is not None:
        replace_block(markdown, speed_table.BEGIN, speed_table.END, text)
    write_json(out, {"runs": runs})
    typer.echo(text)
