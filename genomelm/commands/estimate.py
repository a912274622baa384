"""`genomelm estimate`: parameters of a model, operations and memory of training it, without running it."""

from pathlib import Path
from typing import Annotated

import typer

DTYPES = ("float32", "bfloat16")
DEVICES = ("cuda", "cpu")


def estimate(
    model: Annotated[Path, typer.Argument(help="Model file, or folder of a saved model.")],
    length: Annotated[int, typer.Option("--length", min=1, help="Bases of a window.")] = 8192,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Windows a step.")] = 8,
    mean_patch: Annotated[int, typer.Option("--mean-patch", min=1, help="Bases of a patch.")] = 8,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, or bfloat16 (autocast).")] = "bfloat16",
    memory: Annotated[
        float | None, typer.Option("--memory", min=0.1, help="GiB of a device, to be told how many windows fit.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cuda or cpu: patches are padded as there.")] = "cuda",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print parameters, operations a base, and memory of a training step with AdamW, counted from shapes alone."""
    import json

    import torch

    from genomelm.errors import UsageError
    from genomelm.models.estimate import estimate as run
    from genomelm.models.estimate import largest_batch

    for option, value, known in (("--dtype", dtype, DTYPES), ("--device", device, DEVICES)):
        if value not in known:
            raise UsageError(f"{option} {value} is unknown; choose {' or '.join(known)}")
    config, kind = _config(model), getattr(torch, dtype)
    found = run(config, batch, length, mean_patch, kind, device)
    facts = {
        "model": str(model),
        "batch": batch,
        "length": length,
        "mean_patch": mean_patch,
        "dtype": dtype,
        "parameters": found.parameters,
        "parameters_without_tables": found.parameters - found.tables,
        "forward_flops_per_base": found.counts.forward / found.bases,
        "training_flops_per_base": found.counts.step / found.bases,
        "bytes": {
            "weights": found.weights,
            "gradients": 4 * found.parameters,
            "optimizer": found.optimizer,
            "saved_for_backward": found.counts.saved,
            "training_peak": found.memory,
        },
    }
    if found.sparsity is not None:
        facts["attention_left_out"] = found.sparsity
    if memory is not None:
        fits = largest_batch(config, int(memory * 2**30), length, mean_patch, kind, device)
        facts |= {"memory_gib": memory, "largest_batch": fits}
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    without = facts["parameters_without_tables"]
    print(f"parameters        {found.parameters:,} ({without:,} without k-mer tables)")
    print(f"operations a base {_flops(facts['forward_flops_per_base'])} forward")
    print(f"                  {_flops(facts['training_flops_per_base'])} training")
    print(f"training memory   {batch} x {length:,} bases, patches of {mean_patch}, {dtype}:")
    for name, size in facts["bytes"].items():
        print(f"  {name.replace('_', ' '):20}{size / 2**30:9.3f} GiB")
    if found.sparsity is not None:
        print(f"attention         leaves out {found.sparsity:.1%} of what dense attention reads")
    if memory is not None:
        print(f"in {memory:g} GiB         {fits:,} windows a step at most")


def _config(model: Path):
    from genomelm.models.config import read_model_file
    from genomelm.models.families import config_of
    from genomelm.models.loading import read_config

    return read_config(model) if model.is_dir() else config_of(read_model_file(model))


def _flops(value: float) -> str:
    return f"{value / 1e6:.3f} MFLOP"
