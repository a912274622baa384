"""A moving average of the weights."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from genomelm.training.sharding import local, placed_like, whole


class Average:
    """The exponential moving average of what a model learns.

    The decay rises to its own value, (1 + n) / (10 + n) after n steps at most, so that the first weights fade.

    Args:
        model: what is averaged, its parameters with gradients; they may be sharded.
        decay: share of the average that a step leaves.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.current = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.values = {name: p.detach().clone() for name, p in self.current.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are now."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        pairs = [(local(self.values[name]), local(p.detach())) for name, p in self.current.items()]
        get_ema_multi_avg_fn(decay)([mine for mine, _ in pairs], [theirs for _, theirs in pairs], None)

    def state(self) -> dict[str, torch.Tensor]:
        """Return the averages, whole, by the names of the parameters."""
        return {name: whole(value) for name, value in self.values.items()}

    @torch.no_grad()
    def load(self, state: Mapping[str, torch.Tensor], steps: int) -> None:
        """Go on from averages that `state` returned after so many steps."""
        self.steps = steps
        for name, value in self.values.items():
            value.copy_(placed_like(state[name], value))
