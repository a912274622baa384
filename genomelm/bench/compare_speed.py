"""Speed and memory of the compared models, with the device to themselves."""

import dataclasses
from pathlib import Path

import torch

from genomelm.bench.compare_grid import CompareCell, CompareConfig
from genomelm.bench.compare_language import genome_part
from genomelm.bench.compare_models import control_config, family_config
from genomelm.bench.compare_tasks import DTYPES
from genomelm.bench.model_speed import Shape, measure_all
from genomelm.bench.timing import REPEATS

KEPT = ("name", "checkpointing", "positions_per_s", "median_s", "range_s", "timings", "peak_bytes", "out_of_memory")
"""What is kept of a measurement's rows."""


def speed_cell(config: CompareConfig, prepared: Path, cell: CompareCell, device: torch.device) -> dict:
    """Time training steps and forward passes; the controls train with and without gradient checkpointing.

    Returns:
        The cell's row: `speeds`, a row a measurement, or one that says that it did not fit into memory.
    """
    control = cell.part == "control_speed"
    trunk = (
        control_config(config, cell.model, cell.size)
        if control
        else family_config(config, cell.model, cell.size, config.mean)
    )
    bases = config.control.speed_bases if control else config.language.step_bases
    shape = Shape(cell.part, cell.model, trunk, max(1, bases // cell.size), cell.size, config.mean)
    shapes = [shape, dataclasses.replace(shape, checkpointing=True)] if control else [shape]
    dtype = DTYPES[config.precision]
    rows = list(measure_all(shapes, genome_part(config, prepared, "train").ids, device, dtype, REPEATS))
    facts = {name: rows[0][name] for name in ("batch", "device", "torch", "dtype")}
    return {
        **dataclasses.asdict(cell),
        "speeds": [{name: row[name] for name in KEPT if name in row} for row in rows],
        **facts,
    }
