"""Parameter groups, the optimizer and its learning-rate schedule."""

import math

import torch
from torch import nn

from genomelm.training.config import TrainConfig


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict]:
    """Put every parameter into exactly one group.

    Matrices decay. Norms, biases, embeddings and k-mer tables do not. The networks of implicit
    filters have their own rate and no decay, since shrinking them would shrink the filters' reach.
    """
    groups: dict[str, list[nn.Parameter]] = {"matrices": [], "undecayed": [], "filters": []}
    tables = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    for name, parameter in model.named_parameters():
        if ".filter." in name:
            groups["filters"].append(parameter)
        elif parameter.ndim < 2 or id(parameter) in tables:
            groups["undecayed"].append(parameter)
        else:
            groups["matrices"].append(parameter)
    return [
        {"name": "matrices", "params": groups["matrices"], "weight_decay": config.weight_decay, "share": 1.0},
        {"name": "undecayed", "params": groups["undecayed"], "weight_decay": 0.0, "share": 1.0},
        {"name": "filters", "params": groups["filters"], "weight_decay": 0.0, "share": config.filter_rate},
    ]


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over the parameter groups."""
    return torch.optim.AdamW(parameter_groups(model, config), lr=config.learning_rate, betas=(0.9, 0.95))


def rate_at(step: int, steps: int, config: TrainConfig) -> float:
    """Return the learning rate of step 0..steps-1: linear warm-up, then a cosine to the final rate."""
    rise = max(1.0, config.warmup * steps)
    if step + 1 < rise:
        return config.learning_rate * (step + 1) / rise
    done = (step + 1 - rise) / max(1.0, steps - rise)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return config.learning_rate * (config.final_rate + (1 - config.final_rate) * cosine)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set every group's learning rate to its share of `rate`."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
