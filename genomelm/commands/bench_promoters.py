"""`genomelm bench promoters`: is attribution concentrated in the known sites of held-out promoters?"""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, Threads


def promoters(
    config: Annotated[Path, typer.Option("--config", help="Settings, such as configs/bench/promoters.yaml.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of the tables that the settings name.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 2,
) -> None:
    """Train models on promoters against their shuffles, attribute held-out ones, and test known sites and nulls."""
    from genomelm.bench.machine import machine
    from genomelm.bench.promoters import PromoterConfig, measure
    from genomelm.files import write_json
    from genomelm.runtime import choose_device, set_threads
    from genomelm.settings import read_config, to_mapping

    settings = read_config(PromoterConfig, config)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    found = measure(settings, data, chosen)
    write_json(out, {**found, "config": to_mapping(settings), "machine": machine(device_used=str(chosen))})
    for kind, rows in found["sites"].items():
        check = rows["models"][0]
        if "reason" in check:
            typer.echo(f"{kind}: {check['reason']}")
        else:
            typer.echo(
                f"{kind}: {check['inside_over_outside']:.2f} times the importance outside ({check['low']:.2f} to "
                f"{check['high']:.2f}), p {check['p']:.2g}, {check['loci']} loci"
            )
