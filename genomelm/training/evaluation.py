"""Held-out bits per base of a language model, and what each of its parts is worth."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from genomelm.models.encoding import HIDDEN_STRIDE, make_batch
from genomelm.models.heads import BITS
from genomelm.models.model import GenomeModel
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.hyena import HyenaOperator
from genomelm.nn.s5 import S5Operator
from genomelm.patching.count_model import CountModel
from genomelm.runtime import counter_seed, exact_float32
from genomelm.seq.alphabet import encode
from genomelm.seq.interval import Interval
from genomelm.training.windows import GenomeWindows, hide_strided, label_ids

BYTES = 1 << 14
"""Bytes of one forward pass."""

Boundaries = Callable[[np.ndarray, int], np.ndarray]
"""(start flags (l+1,), window number) -> start flags to use instead."""


def window_bits(
    model: GenomeModel,
    windows: GenomeWindows,
    tiles: Sequence[Interval],
    device: torch.device,
    boundaries: Boundaries | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return bits and number of scored bases of each window, float64 (n,) both.

    Causal models: every base of a window is scored, its first one from BOS alone. Masked models: every
    HIDDEN_STRIDE-th base is hidden and scored; where the hidden ones begin changes from window to window.
    """
    bits, counts = [], []
    size = max(1, BYTES // max(len(tile) for tile in tiles))
    with torch.inference_mode(), exact_float32():
        for first in range(0, len(tiles), size):
            records = [windows.record(tile) for tile in tiles[first : first + size]]
            flags = [f if boundaries is None else boundaries(f, first + i) for i, (_, f) in enumerate(records)]
            batch = make_batch([ids for ids, _ in records], flags)
            if model.objective == "masked":
                offset = torch.tensor([tile.start // windows.window for tile in tiles[first : first + size]])[:, None]
                batch, labels = hide_strided(batch, offset, HIDDEN_STRIDE)
            else:
                labels = label_ids(batch)
            batch, labels = batch.to(device), labels.to(device)
            states = model(**batch.inputs(), return_logits=False).hidden_states
            bits.append(model.head.nats(states, labels).double().sum(1).cpu().numpy() * BITS)
            counts.append((model.head.targets(labels) >= 0).sum(1).cpu().numpy())
    return np.concatenate(bits), np.concatenate(counts).astype(np.float64)


def count_model_bits(counted: CountModel, windows: GenomeWindows, tiles: Sequence[Interval]) -> np.ndarray:
    """Return the count model's bits on the same windows, (n,); it sees the bases before each window."""
    totals = []
    for tile in tiles:
        before = Interval(tile.contig, max(0, tile.start - counted.order), tile.start)
        context = encode(windows.genome.fetch(before)) if len(before) else None
        totals.append(np.nansum(counted.bits(encode(windows.genome.fetch(tile)), context)))
    return np.array(totals)


MIXERS = {"hyena": HyenaOperator, "s5": S5Operator, "bigbird": BigBirdAttention}
"""Operators that mix patches, by the name that a report gives them."""


def mixers_of(model: GenomeModel) -> dict[str, list[torch.nn.Module]]:
    """Return the model's operators that mix patches, by name."""
    found = {name: [m for m in model.shell.backbone.modules() if isinstance(m, kind)] for name, kind in MIXERS.items()}
    return {name: modules for name, modules in found.items() if modules}


@contextmanager
def as_mean(modules: Sequence[torch.nn.Module]) -> Iterator[None]:
    """Inside the block each module's output is its mean over batch and patches: it says nothing."""

    def replace(_module: torch.nn.Module, _inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        return output.mean((0, 1), keepdim=True).expand_as(output)

    handles = [module.register_forward_hook(replace) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def random_boundaries(flags: np.ndarray, number: int) -> np.ndarray:
    """Shuffle a window's patch lengths: as many patches of the same lengths, elsewhere."""
    length = len(flags) - 1
    starts = np.flatnonzero(flags[:length])
    lengths = np.diff(np.append(starts, length))
    np.random.default_rng(counter_seed("boundaries", number)).shuffle(lengths)
    out = np.zeros(len(flags), bool)
    out[np.cumsum(lengths) - lengths] = True
    out[-1] = flags[-1]
    return out
