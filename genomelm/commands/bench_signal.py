"""`genomelm bench signal`: how often is `signal` true where there is nothing to find, and where there is something?"""

from pathlib import Path
from typing import Annotated

import typer

from genomelm.commands.options import Device, RequireGpu, Threads


def signal(
    config: Annotated[Path, typer.Option("--config", help="Settings, such as configs/bench/signal.yaml.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write.")],
    device: Device = "auto",
    require_gpu: RequireGpu = False,
    threads: Threads = 1,
) -> None:
    """Run attribution's check `signal` over random weights, shuffled labels and regions, and planted words."""
    from genomelm.bench.machine import machine
    from genomelm.bench.signal_rates import SignalConfig, measure, pooled
    from genomelm.files import write_json
    from genomelm.interpret.distinguishable import LEVEL
    from genomelm.runtime import choose_device, set_threads
    from genomelm.settings import read_config, to_mapping

    settings = read_config(SignalConfig, config)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    rows = measure(settings, chosen, typer.echo)
    every = pooled(rows)
    facts = {"level": LEVEL, "nothing_to_find": every, "rows": rows, "config": to_mapping(settings)}
    write_json(out, {"kind": "signal rates", **facts, "machine": machine(device_used=str(chosen))})
    typer.echo(
        f"where there is nothing to find: {every['distinguishable']} of {every['runs']} runs, {every['rate']:.1%} "
        f"({every['low']:.1%} to {every['high']:.1%})"
    )
