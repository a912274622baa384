"""Train a language model of the comparison on a genome, and score the held-out bases."""

import dataclasses
import logging
import math
import time
from pathlib import Path

import torch

from genomelm.bench.budget_cell import batch_of, device_facts, held_out_bits, train_until
from genomelm.bench.compare_grid import CompareCell, CompareConfig, ControlPart, LanguagePart, rates
from genomelm.bench.compare_models import control_config, family_config, new_model, parameters, step_flops
from genomelm.bench.compare_tasks import DTYPES
from genomelm.bench.patching_grid import Cell
from genomelm.bench.patching_parts import Part, read_part
from genomelm.errors import NumericalError
from genomelm.models.encoding import Batch
from genomelm.models.families import GenomeConfig
from genomelm.models.heads import BITS
from genomelm.training.removals import as_mean

log = logging.getLogger(__name__)


def language_cell(config: CompareConfig, prepared: Path, cell: CompareCell, device: torch.device) -> dict:
    """Train a family's model until its operations reach the budget, and score the held-out part in float32.

    Returns:
        The cell's row: bits per base (ACGT only) with the bits of each window, and what it took.

    Raises:
        NumericalError: the loss is not finite at the end.
    """
    part = config.language
    trunk = family_config(config, cell.model, cell.size, config.mean)
    cost = step_flops(trunk, max(1, part.step_bases // cell.size), cell.size, config.mean)
    row = _trained(config, prepared, cell, trunk, part, part.flops, cost, device)
    row["flops_per_base"] = cost / row["step_bytes"]
    if not math.isfinite(row["bits_per_base"]):
        raise NumericalError(f"{cell}: the loss is not finite after {row['steps']} steps: lower learning_rate")
    return row


def control_cell(config: CompareConfig, prepared: Path, cell: CompareCell, device: torch.device) -> dict:
    """Train the transformer or its classic form for the control's steps, and score the held-out part in float32.

    The part depth trains deeper ones. A loss that is not finite is a result here, not an error: numbers that are not
    finite are None.

    Returns:
        The cell's row; `backbone_mean`: the bits of each window where the backbone's output is its mean, so that it
        says nothing. A deep backbone that has learned nothing loses nothing by that.
    """
    part, deep = config.control, cell.part == "depth"
    trunk = control_config(config, cell.model, cell.size, deep)
    steps = part.depth_steps if deep else part.steps
    return _trained(config, prepared, cell, trunk, part, float(steps), 1.0, device)


def genome_part(config: CompareConfig, prepared: Path, name: str) -> Part:
    """Return the training or the held-out regions, cut as the grid says."""
    cut = Cell(config.genome.name, config.way, config.mean, config.seeds[0])
    return read_part(Path(prepared) / config.genome.name / "parts.npz", name, cut, 0)


def _trained(
    config: CompareConfig,
    prepared: Path,
    cell: CompareCell,
    trunk: GenomeConfig,
    part: LanguagePart | ControlPart,
    budget: float,
    cost: float,
    device: torch.device,
) -> dict:
    begun = time.monotonic()
    training, testing = (genome_part(config, prepared, name) for name in ("train", "test"))
    model = new_model(trunk, None, cell.seed).to(device).train()
    windows = max(1, part.step_bases // cell.size)

    def draw(step: int, done: float) -> tuple[Batch, torch.Tensor, float]:
        batch, _ = batch_of(training, training.draw(windows, cell.size, "windows", cell.seed, step))
        return batch, batch.ids, cost

    spent = train_until(model, draw, rates(part), budget, device, DTYPES[config.precision])
    losses = [_finite(loss * BITS) for loss in spent.pop("losses")]
    bits, counts = held_out_bits(model, testing, cell.size, device)
    found = {}
    if cell.part != "language":
        with as_mean([model.shell.backbone]):
            found["backbone_mean"] = _plain(held_out_bits(model, testing, cell.size, device)[0])
    row = {
        **dataclasses.asdict(cell),
        "bits_per_base": _finite(float(bits.sum() / counts.sum())),
        "first_bits_per_base": losses[0],
        "train_bits_per_base": losses[1],
        "flops" if cell.part == "language" else "budget": spent.pop("used"),
        **spent,
        **parameters(trunk),
        "layers": trunk.backbone.get("layers"),
        "step_bytes": windows * cell.size,
        "bytes": spent["steps"] * windows * cell.size,
        "window_bits": _plain(bits),
        "window_bases": counts.astype(int).tolist(),
        **found,
        **device_facts(device, config.precision),
        "seconds": round(time.monotonic() - begun, 2),
    }
    log.info("%s: %s bits per base, %d steps, %.1f s", cell, row["bits_per_base"], row["steps"], row["seconds"])
    return row


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(bits) -> list[float | None]:
    return [_finite(round(value, 2)) for value in bits.tolist()]
