"""`genomelm bench generate`: speed of generation on the device at hand, from a state and by recomputation."""

from pathlib import Path
from typing import Annotated

import typer


def generate(
    files: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Model files of causal language models.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="JSON file to write.")] = None,
    against: Annotated[
        int, typer.Option("--against", min=0, help="Letters behind which a pass over all is timed; 0: none.")
    ] = 2000,
    prompt: Annotated[
        list[int] | None,
        typer.Option("--prompt", min=1, help="Letters of a prompt to go on from; repeatable. Default: 1000, 65536."),
    ] = None,
    rows: Annotated[
        list[int] | None, typer.Option("--rows", min=1, help="Sequences side by side; repeatable. Default: 1.")
    ] = None,
    letters: Annotated[int, typer.Option("--letters", min=8, help="Letters drawn in each timing.")] = 256,
    checked: Annotated[int, typer.Option("--checked", min=1, help="Letters drawn both ways and compared.")] = 200,
    mean_patch: Annotated[int, typer.Option("--mean-patch", min=1, help="Bases of a patch.")] = 8,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    require_gpu: Annotated[bool, typer.Option("--require-gpu", help="Stop (exit 5) when there is no GPU.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, help="CPU threads.")] = 1,
    repeats: Annotated[int, typer.Option("--repeats", min=3, help="Timings of each, of which the median counts.")] = 5,
) -> None:
    """Time a letter from a state against a pass over all letters for each, and behind longer prompts.

    A model whose state grows is measured beside the variant of its family whose state does not. Letters are drawn both
    ways in the same run; where they differ the command stops (exit 7). Nothing else should run on the device meanwhile.
    """
    from genomelm.bench.generate_speed import Plan, measure_all, table, variants
    from genomelm.bench.machine import machine
    from genomelm.errors import NumericalError, UsageError
    from genomelm.files import write_json
    from genomelm.models.config import read_model_file
    from genomelm.models.families import config_of
    from genomelm.patching.config import PatcherConfig
    from genomelm.patching.patcher import Patcher
    from genomelm.runtime import choose_device, set_threads

    models = []
    for file in files:
        config = config_of(read_model_file(file))
        if config.shell["objective"] != "causal":
            raise UsageError(f"{file}: a {config.shell['objective']} model has no next letter; give causal ones")
        models += variants(file.stem, config)
    set_threads(threads)
    chosen = choose_device(device, require_gpu)
    plan = Plan(against, prompt or [1000, 65_536], rows or [1], letters, checked, repeats)
    patcher = Patcher(PatcherConfig("fixed_stride", stride=mean_patch))
    found = list(measure_all(models, patcher, plan, chosen))
    typer.echo(table(found))
    if out is not None:
        write_json(out, {"kind": "generation speed", "mean_patch": mean_patch, "rows": found, "provenance": machine()})
    wrong = next((row for row in found if not row.get("equal", True)), None)
    if wrong:
        raise NumericalError(
            f"{wrong['model']}: letters from a state differ from those of whole passes, by up to "
            f"{wrong['largest_difference']:.1e} nats of their logits"
        )
