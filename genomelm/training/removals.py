"""What a trained model loses when one of its parts is taken out at evaluation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from genomelm.nn.rows import Rows
from genomelm.runtime import counter_seed


@contextmanager
def as_mean(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Inside the block each module's output is its mean over batch and patches: it says nothing."""

    def replace(_module: nn.Module, _inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        return output.mean((0, 1), keepdim=True).expand_as(output)

    handles = [module.register_forward_hook(replace) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def shuffled_patches(backbone: nn.Module, seed: int = 0) -> Iterator[None]:
    """Inside the block the backbone reads the patches of each row in another order; padding stays where it is."""

    def shuffle(_module: nn.Module, inputs: tuple[torch.Tensor, Rows]) -> tuple[torch.Tensor, Rows]:
        x, rows, *rest = inputs
        generator = torch.Generator().manual_seed(counter_seed("patches", seed))
        keys = torch.rand(rows.lengths.shape, generator=generator).to(x.device)
        order = keys.masked_fill(~rows.present, torch.inf).argsort(1)  # (b, p)
        return torch.gather(x, 1, order[..., None].expand_as(x)), rows, *rest

    handle = backbone.register_forward_pre_hook(shuffle)
    try:
        yield
    finally:
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
