"""One cell of the comparison: which function runs it."""

from pathlib import Path

import torch

from genomelm.bench.compare_grid import CompareCell, CompareConfig
from genomelm.bench.compare_language import control_cell, language_cell
from genomelm.bench.compare_speed import speed_cell
from genomelm.bench.compare_tasks import task_cell

RUNS = {
    "language": language_cell,
    "recall": task_cell,
    "enhancer": task_cell,
    "control": control_cell,
    "depth": control_cell,
    "speed": speed_cell,
    "control_speed": speed_cell,
}
"""Part -> what runs its cells."""


def run_cell(config: CompareConfig, prepared: Path, cell: CompareCell, device: torch.device) -> dict:
    """Run a cell and return its row, plain JSON values.

    Args:
        config: the grid.
        prepared: folder that `prepare` wrote.
        cell: which one.
        device: where it runs; for speeds nothing else may run there.
    """
    return RUNS[cell.part](config, prepared, cell, device)
