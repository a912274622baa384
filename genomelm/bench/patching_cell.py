"""Train one cell of the patching grid on its budget of operations, score the held-out bases, and time its steps."""

import dataclasses
import logging
import math
import time
from pathlib import Path

import torch

from genomelm.bench.budget_cell import device_facts, held_out_bits, time_steps, train_on
from genomelm.bench.patching_grid import READS_AHEAD, Cell, GridConfig
from genomelm.bench.patching_parts import Part, read_part
from genomelm.errors import NumericalError, UsageError
from genomelm.models.classes import HyenaGLTForCausalLM
from genomelm.models.config import read_model_file
from genomelm.models.families import config_of
from genomelm.models.model import GenomeModel
from genomelm.models.operations import cost_of
from genomelm.runtime import seeded

log = logging.getLogger(__name__)


def new_model(config: GridConfig, seed: int) -> GenomeModel:
    """Return the grid's model with weights drawn from `seed`; its target length is the window."""
    settings = read_model_file(config.model)
    if settings.family != "hyena_glt":
        raise UsageError(f"{config.model}: family {settings.family}; the grid trains Hyena-GLT: give such a model file")
    shell = dataclasses.replace(settings.shell, target_length=config.train.window)
    with seeded("weights", seed):
        return HyenaGLTForCausalLM(config_of(dataclasses.replace(settings, shell=shell)))


def train_cell(config: GridConfig, prepared: Path, cell: Cell, device: torch.device) -> dict:
    """Train a cell's model in float32 until its operations reach the budget, and score the held-out part.

    Every cell has the same model, windows a step, rates and, step for step, places in the genome. Forward strand.

    Args:
        config: the grid.
        prepared: folder that `prepare` wrote.
        cell: which one.
        device: where it runs.

    Returns:
        The cell's row: bits per base (ACGT only) with the bits of each window, and what it took. `step_seconds` is the
        median over the steps after a warm-up, of `step_bytes` bytes each.

    Raises:
        NumericalError: the loss is not finite at the end.
    """
    begun = time.monotonic()
    training, testing = (_part(config, prepared, cell, name) for name in ("train", "test"))
    model = new_model(config, cell.seed).to(device).train()
    cost = cost_of(model)
    spent = train_on(model, training, config.train, cell.seed, config.flops, lambda shape: cost.step(*shape), device)
    bits, counts = held_out_bits(model, testing, config.train.window, device)
    row = {
        **dataclasses.asdict(cell),
        "reads_ahead": cell.way in READS_AHEAD,
        "bits_per_base": float(bits.sum() / counts.sum()),
        "bases": int(counts.sum()),
        "flops": spent.pop("used"),
        **spent,
        "mean_test": len(testing.ids) / int(testing.marks.sum()),
        "window_bits": [round(value, 2) for value in bits.tolist()],
        "window_bases": counts.astype(int).tolist(),
        **device_facts(device),
        "seconds": round(time.monotonic() - begun, 2),
    }
    if not all(map(math.isfinite, (row["bits_per_base"], row["train_bits_per_base"]))):
        raise NumericalError(f"{cell}: the loss is not finite after {row['steps']} steps: lower train.learning_rate")
    log.info("%s: %.4f bits per base, %d steps, %.1f s", cell, row["bits_per_base"], row["steps"], row["seconds"])
    return row


def time_cell(config: GridConfig, prepared: Path, cell: Cell, device: torch.device) -> dict:
    """Time training steps of a cell with the device to itself: its names, and `time_steps` under "speed"."""
    part = _part(config, prepared, cell, "train")
    model = new_model(config, cell.seed).to(device).train()
    return {**dataclasses.asdict(cell), "speed": time_steps(model, part, config.train, config.speed_batch, device)}


def _part(config: GridConfig, prepared: Path, cell: Cell, name: str) -> Part:
    return read_part(Path(prepared) / cell.genome / "parts.npz", name, cell, config.shift)
