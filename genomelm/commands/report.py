"""`genomelm report`: models, attributions or training runs on disk as one self-contained HTML page."""

from pathlib import Path
from typing import Annotated

import typer

TOP = 200


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="Folder of one model, or of attributions; several models are put side by side. With --training: "
            "folders of runs.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="JSON of every number on the page (default: beside the page).")
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            "--summary", help="Folder for summary.json and summary.txt (default: FOLDER; of several: the page's)."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="Title of the page.")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="The page of models side by side for one FOLDER too.")
    ] = False,
    training: Annotated[
        bool,
        typer.Option(
            "--training",
            help="The page of training runs: FOLDERs are those that -o of pretrain or finetune named, finished or not.",
        ),
    ] = False,
    readme: Annotated[
        Path | None, typer.Option("--readme", help="Side by side: Markdown file whose figures are written anew.")
    ] = None,
    patch_summary: Annotated[
        Path | None, typer.Option("--patch-summary", help="One model: summary.json of its patches.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="One model: folder of the data's *.provenance.json.")
    ] = None,
    benchmarks: Annotated[
        Path | None, typer.Option("--benchmarks", help="One model: folder of its benchmark files.")
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", help="One model: file planned under FOLDER: its absence is a warning; repeatable."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=0, help="One model: variants listed a scored file, by |score|.")
    ] = TOP,
) -> None:
    """Write the report of a model (verdict strip, held-out figures, loci, variants, known sites), or of several side by
    side, from the reports that each of them has at FOLDER/report/; of a folder of attributions; or, with --training,
    of the logs of training runs.

    Runs no model and opens no connection. A missing input is a warning in the report, not an error.
    """
    from genomelm.errors import UsageError

    own = {"--patch-summary": patch_summary, "--data": data, "--benchmarks": benchmarks, "--expect": expect}
    if training:
        from genomelm.report import training_page

        own |= {"--compare": compare, "--summary": summary, "--readme": readme, "--top": top != TOP}
        if wrong := [option for option, value in own.items() if value]:
            raise UsageError(f"{', '.join(wrong)}: not of the page of training runs; leave it out, or --training")
        made = training_page.write(folders, output, json_path=json_file, title=title)
        states = ", ".join(f"{run['name']} at step {run['last_step'] or 0}" for run in made["runs"])
        typer.echo(f"{output}: {states}")
        return
    if compare or len(folders) > 1:
        from genomelm.report import comparison_page
        from genomelm.report.readme import update

        if wrong := [option for option, value in own.items() if value]:
            raise UsageError(f"{', '.join(wrong)}: of one model's report only; give one FOLDER, without --compare")
        made = comparison_page.write(folders, output, json_path=json_file, summary_dir=summary, title=title)
        if readme is not None:
            update(readme, made)
    else:
        from genomelm.report import build
        from genomelm.report.attribution import page

        if readme is not None:
            raise UsageError("--readme takes its figures from models side by side: give several FOLDERs, or --compare")
        if page.is_attribution(folders[0]):
            if wrong := [
                option for option, value in (own | {"--summary": summary, "--top": top != TOP}).items() if value
            ]:
                raise UsageError(f"{', '.join(wrong)}: not of the page of attributions; name a model's folder")
            made = page.write(folders[0], output, json_path=json_file, title=title)
        else:
            made = build.write(
                folders[0],
                output,
                json_path=json_file,
                summary_dir=summary,
                title=title,
                top=top,
                expected=tuple(expect or ()),
                patch_summary=patch_summary,
                data=data,
                benchmarks=benchmarks,
            )
    counts = made["counts"]
    typer.echo(
        f"{output}: {made['verdict'].upper()} ({counts['pass']} pass, {counts['warn']} warn, {counts['fail']} fail)"
    )
    for sentence in made.get("notices", ()):
        typer.echo("".join(c if c.isprintable() else " " for c in sentence))
