"""`genomelm bench ...`: measurements of this installation, each written as JSON with where it ran."""

import typer

from genomelm.commands import bench_ablate, bench_patching
from genomelm.commands.bench_model import model
from genomelm.commands.bench_patch import patch
from genomelm.commands.bench_patch_variants import patch_variants

bench = typer.Typer(add_completion=False, no_args_is_help=True, help="Measure speeds, and what patching does.")
bench.command("model")(model)
bench.command("patch")(patch)
bench.command("patch-variants")(patch_variants)
bench.add_typer(bench_patching.app, name="patching")
bench.add_typer(bench_ablate.app, name="ablate")
