"""Parameter groups, the optimizer and its learning-rate schedule."""

import math

import torch
from torch import nn

from genomelm.training.config import TrainConfig

LATENT = (".pooling.", ".structure.", ".structures.", ".backbone.", ".conservation.", ".reading.")
"""Parts of the path through the patches."""


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict]:
    """Put every parameter that is trained into exactly one group.

    Matrices decay; norms, biases, embeddings and k-mer tables do not. The path through the patches
    learns at a rate of its own: at the byte layers' rate it turns to noise before the byte layers
    have anything to ask of it, and they learn to ignore it (then its ablation costs nothing). The
    networks of implicit filters and the state-space parameters are slower still and never decay.
    """
    shares = {
        "bytes": 1.0,
        "latent": config.latent_rate,
        "filters": config.filter_rate,
        "state space": config.ssm_rate,
    }
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    tables = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        kind = "latent" if any(part in name for part in LATENT) else "bytes"
        if ".filter." in name:
            kind = "filters"
        if ".ssm." in name:
            kind = "state space"
        decays = parameter.ndim > 1 and id(parameter) not in tables and kind in ("bytes", "latent")
        groups.setdefault((kind, decays), []).append(parameter)
    return [
        {
            "name": f"{kind}{'' if decays else ', no decay'}",
            "params": parameters,
            "weight_decay": config.weight_decay if decays else 0.0,
            "share": shares[kind],
        }
        for (kind, decays), parameters in sorted(groups.items())
    ]


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over the parameter groups, fused where torch has it fused: half the time on a CPU."""
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in model.parameters())
    groups = parameter_groups(model, config)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=fused)


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
