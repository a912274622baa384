"""Train one cell of the patching grid on its budget of operations, score the held-out bases, and time its steps."""

import dataclasses
import logging
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from genomelm.bench.patching_flops import cost_of
from genomelm.bench.patching_grid import READS_AHEAD, Cell, GridConfig
from genomelm.bench.patching_parts import Part, read_part
from genomelm.errors import NumericalError, UsageError
from genomelm.models.classes import HyenaGLTForCausalLM
from genomelm.models.config import read_model_file
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.families import config_of
from genomelm.models.heads import BITS
from genomelm.models.model import GenomeModel
from genomelm.runtime import counter_seed, exact_float32
from genomelm.training.optimizer import make_optimizer, rate_at, set_rate

log = logging.getLogger(__name__)

WARM_UP = 5
"""Steps that are not timed."""
TIMED = 9
"""Steps of a speed measurement after those."""
SCHEDULE = 1_000_000
"""Readings of the learning rate's schedule over a budget."""
LAST = 0.9
"""Share of the budget after which the training loss is averaged."""


def new_model(config: GridConfig, seed: int) -> GenomeModel:
    """Return the grid's model with weights drawn from `seed`; its target length is the window."""
    settings = read_model_file(config.model)
    if settings.family != "hyena_glt":
        raise UsageError(f"{config.model}: family {settings.family}; the grid trains Hyena-GLT: give such a model file")
    shell = dataclasses.replace(settings.shell, target_length=config.train.window)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(counter_seed("weights", seed))
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
    cost, optimizer, train = cost_of(model), make_optimizer(model, config.train), config.train
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    used, step, patches, times = 0.0, 0, 0, []
    late, late_steps = torch.zeros((), device=device), 0
    with exact_float32():
        while used < config.flops:
            started = time.perf_counter()
            set_rate(optimizer, rate_at(int(used / config.flops * SCHEDULE), SCHEDULE, train))
            places = training.draw(train.batch_size, train.window, "windows", cell.seed, step)
            batch, shape = _batch(training, places)
            loss = _step(model, batch.to(device), optimizer, train.clip)
            used += cost.step(*shape)
            patches += shape[2] - shape[0]
            if used > LAST * config.flops:
                late, late_steps = late + loss.detach(), late_steps + 1
            step += 1
            times.append(time.perf_counter() - started)
        memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
        bits, counts = held_out_bits(model, testing, train.window, device)
    step_bytes = train.batch_size * train.window
    row = {
        **dataclasses.asdict(cell),
        "reads_ahead": cell.way in READS_AHEAD,
        "bits_per_base": float(bits.sum() / counts.sum()),
        "bases": int(counts.sum()),
        "train_bits_per_base": float(late) / late_steps * BITS,
        "steps": step,
        "bytes": step * step_bytes,
        "flops": used,
        "mean_train": step * step_bytes / patches,
        "mean_test": len(testing.ids) / int(testing.marks.sum()),
        "parameters": sum(p.numel() for p in model.parameters()),
        "step_bytes": step_bytes,
        "step_seconds": statistics.median(times[WARM_UP:] or times),
        "peak_memory_bytes": memory,
        "window_bits": [round(value, 2) for value in bits.tolist()],
        "window_bases": counts.astype(int).tolist(),
        **_machine(device),
        "seconds": round(time.monotonic() - begun, 2),
    }
    if not all(map(math.isfinite, (row["bits_per_base"], row["train_bits_per_base"]))):
        raise NumericalError(f"{cell}: the loss is not finite after {step} steps: lower train.learning_rate")
    log.info("%s: %.4f bits per base, %d steps, %.1f s", cell, row["bits_per_base"], step, row["seconds"])
    return row


def time_cell(config: GridConfig, prepared: Path, cell: Cell, device: torch.device) -> dict:
    """Time training steps of a cell with the device to itself.

    Returns:
        Bases a second (median of TIMED steps after WARM_UP) at `speed_batch` windows a step, and peak memory.
    """
    part = _part(config, prepared, cell, "train")
    model = new_model(config, cell.seed).to(device).train()
    optimizer, train = make_optimizer(model, config.train), config.train
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    times = []
    with exact_float32():
        for step in range(WARM_UP + TIMED):
            places = part.draw(config.speed_batch, train.window, "windows", cell.seed, step)
            batch = _batch(part, places)[0].to(device)
            _wait(device)
            started = time.perf_counter()
            _step(model, batch, optimizer, train.clip)
            _wait(device)
            times.append(time.perf_counter() - started)
    return {
        **dataclasses.asdict(cell),
        "speed": {
            "bytes_per_second": config.speed_batch * train.window / statistics.median(times[WARM_UP:]),
            "windows": config.speed_batch,
            "peak_memory_bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
            **_machine(device),
        },
    }


def held_out_bits(model: GenomeModel, part: Part, window: int, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Return bits and number of scored bases (ACGT only) of each window of a part, float64 (n,) both.

    Each base of a window is scored, its first one from BOS alone.
    """
    tiles, bits, counts = part.tiles(window), [], []
    model.eval()
    with torch.inference_mode(), exact_float32():
        for first in range(0, len(tiles), 8):
            batch = _batch(part, tiles[first : first + 8])[0].to(device)
            states = model(**batch.inputs(), return_logits=False).hidden_states
            bits.append(model.head.nats(states, batch.ids).double().sum(1).cpu().numpy() * BITS)
            counts.append((model.head.targets(batch.ids) >= 0).sum(1).cpu().numpy())
    return np.concatenate(bits), np.concatenate(counts).astype(np.float64)


def _part(config: GridConfig, prepared: Path, cell: Cell, name: str) -> Part:
    return read_part(Path(prepared) / cell.genome / "parts.npz", name, cell, config.shift)


def _batch(part: Part, places: Sequence[tuple[int, int]]) -> tuple[Batch, tuple[int, int, int, int]]:
    """Return windows as a batch, and its rows, their bytes, patches and longest row, as Cost.step takes them."""
    windows = [part.window(start, end) for start, end in places]
    batch = make_batch([ids for ids, _ in windows], [flags for _, flags in windows])
    patches = (batch.starts[:, :-1] & batch.mask).sum(1)
    return batch, (*batch.ids.shape, int(patches.sum()), int(patches.max()))


def _step(model: GenomeModel, batch: Batch, optimizer: torch.optim.Optimizer, clip: float) -> torch.Tensor:
    """Take one training step; return its loss in nats per base."""
    # BOS, padding and N are no letters: the head leaves them out of the loss.
    loss = model(**batch.inputs(), labels=batch.ids, return_logits=False).loss
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _machine(device: torch.device) -> dict[str, str]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    return {"device": name, "torch": torch.__version__, "dtype": "float32"}
