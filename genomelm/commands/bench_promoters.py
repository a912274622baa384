"""`genomelm bench promoters`: is attribution concentrated in the known sites of held-out promoters?"""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, Threads


def promoters(
    config: Annotated[Path, typer.Option("--config", help="Settings, such as configs/bench/promoters.yaml.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of the tables that the settings name.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
    start: Annotated[
        Path | None,
        typer.Option("--start", help="Model directory of a language model to fine-tune, where the settings name none."),
    ] = None,
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
) -> None:
    """Train models on promoters against their shuffles, attribute held-out ones, and test known sites and nulls."""
    from genomelm.bench.machine import machine
    from genomelm.bench.promoters import PromoterConfig, measure
    from genomelm.commands.model_input import open_model
    from genomelm.files import write_json
    from genomelm.runtime import choose_device, set_threads
    from genomelm.settings import read_config, to_mapping

    settings = read_config(PromoterConfig, config)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    model, digest = (None, None) if start is None else open_model(start, device, require_gpu, threads)
    found = measure(settings, data, chosen, model, typer.echo)
    facts = {"device_used": str(chosen), "start": digest}
    write_json(out, {**found, "config": to_mapping(settings), "machine": machine(**facts)})
