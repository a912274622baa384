"""How the gradient flows: its norm in each layer of a model."""

from collections.abc import Iterable

import torch
from torch import nn

from genomelm.training.sharding import whole


def layer_of(name: str) -> str:
    """Return the layer that a parameter belongs to: its name up to the first number, else two parts of it."""
    parts = name.split(".")[:-1] or [name]
    number = next((i for i, part in enumerate(parts) if part.isdigit()), 1)
    return ".".join(parts[: number + 1])


def layer_norms(named: Iterable[tuple[str, nn.Parameter]]) -> dict[str, float]:
    """Return the norm of the gradient in each layer that has one; all processes must ask for it."""
    layers: dict[str, list[torch.Tensor]] = {}
    for name, parameter in named:
        if parameter.grad is not None:
            layers.setdefault(layer_of(name), []).append(parameter.grad)
    return {layer: float(whole(torch.nn.utils.get_total_norm(grads))) for layer, grads in layers.items()}
