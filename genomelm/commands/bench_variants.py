"""`genomelm bench variants`: measured effects of variants, told from likelihoods and by trained models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, Threads

if TYPE_CHECKING:
    from genomelm.bench.variant_runs import Given


def variants(
    config: Annotated[Path, typer.Option("--config", help="Settings, such as configs/bench/variants.yaml.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of the tables that the settings name.")],
    runs: Annotated[
        Path, typer.Option("--runs", help="Folder for each run's predictions; finished runs there are taken up.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
    zero_shot: Annotated[
        list[str] | None,
        typer.Option("--zero-shot", help="NAME=DIR: a language model whose likelihood ratios get a row; repeatable."),
    ] = None,
    tune: Annotated[
        list[str] | None,
        typer.Option("--tune", help="NAME=DIR: a model that is fine-tuned on each set and gets a row; repeatable."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Markdown file whose text of this benchmark is written anew.")
    ] = None,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
) -> None:
    """Hold models against measured effects of variants, beside linear models and the conservation of the same table."""
    from genomelm.bench import variant_table
    from genomelm.bench.machine import machine
    from genomelm.bench.variant_runs import RunFolder, VariantsConfig, runs_of
    from genomelm.bench.variant_sets import read_set
    from genomelm.files import write_json
    from genomelm.report.readme import replace_block
    from genomelm.runtime import choose_device, set_threads
    from genomelm.settings import read_config, to_mapping

    settings = read_config(VariantsConfig, config)
    here = machine()  # before a tracked file changes
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    given, tuned = (_opened(settings, pairs or [], device, require_gpu) for pairs in (zero_shot, tune))
    sets = [read_set(one, data) for one in settings.sets]
    found = {"sets": []}
    for one in sets:
        predicted = runs_of(settings, one, data, given, tuned, RunFolder(runs), chosen)
        found["sets"].append(variant_table.results(one, predicted, settings.opponents))
    folders = {"zero_shot": given, "tuned": tuned}
    digests = {how: {one.name: one.digest for one in those} for how, those in folders.items()}
    text = variant_table.text(found)
    write_json(
        out, {"machine": here | {"device_used": str(chosen)}, "config": to_mapping(settings), **digests, **found}
    )
    if markdown is not None:
        replace_block(markdown, variant_table.BEGIN, variant_table.END, text)
    typer.echo(text)


def _opened(settings: object, pairs: list[str], device: str, require_gpu: bool) -> "list[Given]":
    """Open the models of NAME=DIR options."""
    from genomelm.bench.variant_runs import KMERS, Given
    from genomelm.commands.model_input import open_any_model
    from genomelm.errors import UsageError

    found: list[Given] = []
    for pair in pairs:
        name, equals, folder = pair.partition("=")
        if not (name and equals and folder):
            raise UsageError(f"'{pair}' names no model: give NAME=DIR")
        columns = {column for one in settings.sets for column in one.columns}
        if name in {KMERS, *columns, *(model.name for model in settings.models), *(one.name for one in found)}:
            raise UsageError(f"'{name}' is the name of another model or column: give {folder} one of its own")
        found.append(Given(name, *open_any_model(Path(folder), device, require_gpu, None)))
    return found
