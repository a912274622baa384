"""`genomelm bench ...`: measurements of this installation, each written as JSON with where it ran."""

import typer

from genomelm.commands import bench_ablate, bench_compare, bench_patching
from genomelm.commands.bench_generate import generate
from genomelm.commands.bench_ism import ism
from genomelm.commands.bench_model import model
from genomelm.commands.bench_operators import operators
from genomelm.commands.bench_patch import patch
from genomelm.commands.bench_patch_variants import patch_variants
from genomelm.commands.bench_promoters import promoters
from genomelm.commands.bench_score import score
from genomelm.commands.bench_signal import signal
from genomelm.commands.bench_speeds import speeds
from genomelm.commands.bench_variants import variants
from genomelm.commands.bench_vcf import vcf

bench = typer.Typer(add_completion=False, no_args_is_help=True, help="Measure speeds, and what patching does.")
bench.command("generate")(generate)
bench.command("ism")(ism)
bench.command("model")(model)
bench.command("operators")(operators)
bench.command("patch")(patch)
bench.command("patch-variants")(patch_variants)
bench.command("promoters")(promoters)
bench.command("score")(score)
bench.command("signal")(signal)
bench.command("speeds")(speeds)
bench.command("variants")(variants)
bench.command("vcf")(vcf)
bench.add_typer(bench_patching.app, name="patching")
bench.add_typer(bench_ablate.app, name="ablate")
bench.add_typer(bench_compare.app, name="compare")
