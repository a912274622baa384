"""Train one model of the ablation grid, score the held-out bases, take parts out, and time its steps."""

import dataclasses
import logging
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch

from genomelm.bench.ablate_grid import AblateCell, AblateConfig, change_of, settings_of
from genomelm.bench.budget_cell import Boundaries, device_facts, held_out_bits, time_steps, train_on
from genomelm.bench.patching_grid import Cell
from genomelm.bench.patching_parts import Part, read_part
from genomelm.errors import InputError, NumericalError
from genomelm.models.classes import CLASSES
from genomelm.models.config import LANGUAGE_HEADS
from genomelm.models.families import config_of
from genomelm.models.model import GenomeModel
from genomelm.runtime import seeded
from genomelm.training.removals import as_mean, random_boundaries, shuffled_patches

log = logging.getLogger(__name__)


def new_model(config: AblateConfig, name: str, seed: int) -> GenomeModel:
    """Return the language model of a change, with weights drawn from `seed`."""
    settings = settings_of(config, name)
    family = config_of(settings)
    with seeded("weights", seed):
        return CLASSES[family.model_type, LANGUAGE_HEADS[settings.shell.objective]](family)


def train_cell(config: AblateConfig, prepared: Path, cell: AblateCell, device: torch.device) -> dict:
    """Train a cell's model on the grid's bases in float32, and score the held-out part with and without its parts.

    Returns:
        The cell's row: bits per base (ACGT only), with the bits of each window, what it took, and for each removal
        the bits of each window.

    Raises:
        NumericalError: the loss is not finite at the end.
    """
    begun = time.monotonic()
    training, testing = (_part(config, prepared, cell, name) for name in ("train", "test"))
    model = new_model(config, cell.name, cell.seed).to(device).train()
    window = config.train.window
    spent = train_on(model, training, config.train, cell.seed, config.bases, lambda s: s[0] * (s[1] - 1), device)
    bits, counts = held_out_bits(model, testing, window, device)
    removed = {}
    if change_of(config, cell.name).removals:
        for name, inside, boundaries in removals(model, cell.way):
            with inside:
                removed[name] = _plain(held_out_bits(model, testing, window, device, boundaries)[0])
    del spent["used"]
    row = {
        "name": cell.name,
        "seed": cell.seed,
        "bits_per_base": float(bits.sum() / counts.sum()),
        "bases": int(counts.sum()),
        **spent,
        "mean_test": len(testing.ids) / int(testing.marks.sum()),
        "window_bits": _plain(bits),
        "window_bases": counts.astype(int).tolist(),
        "removals": removed,
        **device_facts(device),
        "seconds": round(time.monotonic() - begun, 2),
    }
    if not all(map(math.isfinite, (row["bits_per_base"], row["train_bits_per_base"]))):
        raise NumericalError(f"{cell}: the loss is not finite after {row['steps']} steps: lower train.learning_rate")
    log.info("%s: %.4f bits per base, %d steps, %.1f s", cell, row["bits_per_base"], row["steps"], row["seconds"])
    return row


def time_cell(config: AblateConfig, prepared: Path, cell: AblateCell, device: torch.device) -> dict:
    """Time training steps of a cell with the device to itself: its names, and `time_steps` under "speed"."""
    part = _part(config, prepared, cell, "train")
    model = new_model(config, cell.name, cell.seed).to(device).train()
    speed = time_steps(model, part, config.train, config.speed_batch, device)
    return {"name": cell.name, "seed": cell.seed, "speed": speed}


def removals(model: GenomeModel, way: str) -> Iterator[tuple[str, AbstractContextManager, Boundaries | None]]:
    """Yield what can be taken out of a trained model: its name, the block to score it in, and other boundaries."""
    backbone = model.shell.backbone
    yield "backbone_mean", as_mean([backbone]), None
    yield "shuffled_patches", shuffled_patches(backbone), None
    if way not in ("byte", "fixed_stride"):
        yield "random_boundaries", nullcontext(), random_boundaries
    mixers: dict[str, list[torch.nn.Module]] = {}
    for block, name in zip(backbone.blocks, operator_names(model), strict=True):
        mixers.setdefault(name, []).append(block.mixer)
    for name, modules in mixers.items():
        yield f"without_{name}", as_mean(modules), None


def operator_names(model: GenomeModel) -> list[str]:
    """Return the name of each block's operator: its letter in a layout, or its class."""
    blocks = model.shell.backbone.blocks
    layout = model.config.backbone.get("layout")
    if layout:
        return [layout[i % len(layout)] for i in range(len(blocks))]
    return [type(block.mixer).__name__ for block in blocks]


def _part(config: AblateConfig, prepared: Path, cell: AblateCell, name: str) -> Part:
    folder, cut = Path(prepared) / config.genome.name, Cell(config.genome.name, cell.way, cell.mean, cell.seed)
    part = read_part(folder / "parts.npz", name, cut, config.patching().shift)
    if not settings_of(config, cell.name).positions.codon:
        return part
    return dataclasses.replace(part, codon=_read_codon(folder, name))


def _read_codon(folder: Path, part: str) -> np.ndarray:
    """Return the codon phases (l,) uint8 of one part.

    Raises:
        InputError: they were not prepared.
    """
    path = Path(folder) / "codon.npz"
    try:
        with np.load(path) as stored:
            return stored[part]
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path} has no codon phases ({error}): name an annotation in the grid file and run "
            "`genomelm bench ablate prepare`"
        ) from None


def _plain(bits: np.ndarray) -> list[float]:
    return [round(value, 2) for value in bits.tolist()]
