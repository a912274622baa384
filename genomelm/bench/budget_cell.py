"""Train a language model on prepared windows until a budget is spent, score held-out bases, and time its steps.

What the grids of benchmarks share: windows drawn as a pure function of seed and step, float32, forward strand.
"""

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from genomelm.bench.patching_parts import Part
from genomelm.errors import UsageError
from genomelm.models.encoding import Batch, make_batch
from genomelm.models.heads import BITS
from genomelm.models.model import GenomeModel
from genomelm.runtime import exact_float32
from genomelm.training.config import TrainConfig
from genomelm.training.optimizer import make_optimizer, rate_at, set_rate

WARM_UP = 5
"""Steps that are not timed."""
TIMED = 9
"""Steps of a speed measurement after those."""
SCHEDULE = 1_000_000
"""Readings of the learning rate's schedule over a budget."""
LAST = 0.9
"""Share of the budget after which the training loss is averaged, as it is at the start over as much."""

Shape = tuple[int, int, int, int]
"""Rows of a batch, bytes of each (BOS included), patches of all together and of the longest row."""

Draw = Callable[[int, float], tuple[Batch, torch.Tensor, float]]
"""(step, share of the budget that is spent) -> batch, labels, and what the step spends."""

Boundaries = Callable[[np.ndarray, int], np.ndarray]
"""(start flags (l+1,), window number) -> start flags to use instead."""


def train_on(
    model: GenomeModel,
    part: Part,
    config: TrainConfig,
    seed: int,
    budget: float,
    spends: Callable[[Shape], float],
    device: torch.device,
) -> dict:
    """Train a model in float32 until what its steps spend reaches the budget.

    Every model sees the same places in the genome, step for step.

    Args:
        model: on `device`, in training mode.
        part: what it is trained on.
        config: window, windows a step and rates; the schedule runs over the budget.
        seed: of the data order.
        budget: how much may be spent.
        spends: what a training step on a batch of such a shape spends.
        device: where it runs.

    Returns:
        What it took. `train_bits_per_base` is over the last tenth of the budget; `step_seconds` is the median over the
        steps after a warm-up, of `step_bytes` bytes each.

    Raises:
        UsageError: the training file asks for what benchmarks do not do.
    """
    if config.curriculum or config.gradient_checkpointing:
        raise UsageError("benchmarks have one window and keep all states: leave curriculum, gradient_checkpointing out")
    patches = 0

    def draw(step: int, done: float) -> tuple[Batch, torch.Tensor, float]:
        nonlocal patches
        places = part.draw(config.batch_size, config.window, "windows", seed, step)
        batch, shape = batch_of(part, places)
        patches += shape[2] - shape[0]
        return batch, batch.ids, spends(shape)

    spent = train_until(model, draw, config, budget, device)
    step_bytes, steps = config.batch_size * config.window, spent["steps"]
    losses = spent.pop("losses")
    return {
        "train_bits_per_base": losses[-1] * BITS,
        **spent,
        "bytes": steps * step_bytes,
        "mean_train": steps * step_bytes / patches,
        "parameters": sum(p.numel() for p in model.parameters()),
        "step_bytes": step_bytes,
    }


def train_until(
    model: GenomeModel,
    draw: Draw,
    config: TrainConfig,
    budget: float,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> dict:
    """Train a model until what its steps spend reaches the budget.

    Args:
        model: on `device`, in training mode.
        draw: gives a step's batch, its labels and what it spends.
        config: rates, whose schedule runs over the budget, and the clipping.
        budget: how much may be spent.
        device: where it runs.
        dtype: float32, exact, or bfloat16 by autocast.

    Returns:
        `losses`: means over the first and the last tenth of the budget. `used`, `steps`, `step_seconds`: the median
        over the steps after a warm-up. `peak_memory_bytes`.
    """
    optimizer = make_optimizer(model, config)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    used, step, times = 0.0, 0, []
    sums, counts = [torch.zeros((), device=device), torch.zeros((), device=device)], [0, 0]
    with exact_float32():
        while used < budget:
            started = time.perf_counter()
            set_rate(optimizer, rate_at(int(used / budget * SCHEDULE), SCHEDULE, config))
            batch, labels, spent = draw(step, used / budget)
            with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                loss = take_step(model, batch.to(device), optimizer, config.clip, labels.to(device))
            first, used = used, used + spent
            for tenth, inside in enumerate((first <= (1 - LAST) * budget, used > LAST * budget)):
                if inside:
                    sums[tenth], counts[tenth] = sums[tenth] + loss.detach(), counts[tenth] + 1
            step += 1
            times.append(time.perf_counter() - started)
        losses = [float(total) / count for total, count in zip(sums, counts, strict=True)]
    return {
        "losses": losses,
        "steps": step,
        "used": used,
        "step_seconds": statistics.median(times[WARM_UP:] or times),
        "peak_memory_bytes": peak_memory(device),
    }


def time_steps(model: GenomeModel, part: Part, config: TrainConfig, windows: int, device: torch.device) -> dict:
    """Time training steps with the device to itself.

    Returns:
        Bases a second (median of TIMED steps after WARM_UP) at `windows` windows a step, and peak memory.
    """
    optimizer, times = make_optimizer(model, config), []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with exact_float32():
        for step in range(WARM_UP + TIMED):
            batch = batch_of(part, part.draw(windows, config.window, "windows", 0, step))[0].to(device)
            wait(device)
            started = time.perf_counter()
            take_step(model, batch, optimizer, config.clip)
            wait(device)
            times.append(time.perf_counter() - started)
    return {
        "bytes_per_second": windows * config.window / statistics.median(times[WARM_UP:]),
        "windows": windows,
        "peak_memory_bytes": peak_memory(device),
        **device_facts(device),
    }


def held_out_bits(
    model: GenomeModel, part: Part, window: int, device: torch.device, boundaries: Boundaries | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return bits and number of scored bases (ACGT only) of each window of a part, float64 (n,) both.

    Each base of a window is scored, its first one from BOS alone.
    """
    tiles, bits, counts = part.tiles(window), [], []
    model.eval()
    with torch.inference_mode(), exact_float32():
        for first in range(0, len(tiles), 8):
            batch = batch_of(part, tiles[first : first + 8], boundaries, first)[0].to(device)
            states = model(**batch.inputs(), return_logits=False).hidden_states
            bits.append(model.head.nats(states, batch.ids).double().sum(1).cpu().numpy() * BITS)
            counts.append((model.head.targets(batch.ids) >= 0).sum(1).cpu().numpy())
    return np.concatenate(bits), np.concatenate(counts).astype(np.float64)


def batch_of(
    part: Part, places: Sequence[tuple[int, int]], boundaries: Boundaries | None = None, first: int = 0
) -> tuple[Batch, Shape]:
    """Return windows as a batch, and its shape; `first` is the number of its first window."""
    windows = [part.window(start, end) for start, end in places]
    flags = [f if boundaries is None else boundaries(f, first + i) for i, (_, f) in enumerate(windows)]
    codon = None if part.codon is None else [part.codon[start:end].astype(np.int64) for start, end in places]
    batch = make_batch([ids for ids, _ in windows], flags, codon_phase=codon)
    patches = (batch.starts[:, :-1] & batch.mask).sum(1)
    return batch, (*batch.ids.shape, int(patches.sum()), int(patches.max()))


def take_step(
    model: GenomeModel,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    clip: float,
    labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Take one training step; return its loss in nats. Labels: None: a language model's, the bases themselves."""
    # BOS, padding and N are no letters: the head leaves them out of the loss.
    loss = model(**batch.inputs(), labels=batch.ids if labels is None else labels, return_logits=False).loss
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> int | None:
    """Return the most memory of tensors on a CUDA device since the count was reset, in bytes; None elsewhere."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def device_facts(device: torch.device, dtype: str = "float32") -> dict[str, str]:
    """Return the device's name, torch's version and the dtype, as a row keeps them."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    return {"device": name, "torch": torch.__version__, "dtype": dtype}
