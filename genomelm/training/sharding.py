"""Weights that several processes share out (FSDP): a model in shards, and tensors whole or in place again."""

import copy

import torch
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from genomelm.models.backbone import Block


def sharded(model: nn.Module) -> nn.Module:
    """Return a copy of `model` whose weights are shared out among all processes: block by block, and the rest."""
    patcher = getattr(model, "patcher", None)  # large, and the same in every copy
    shards = copy.deepcopy(model, {id(patcher): patcher})
    for module in shards.modules():
        if isinstance(module, Block):
            fully_shard(module)
    return fully_shard(shards)


def whole(value: torch.Tensor) -> torch.Tensor:
    """Return all of a tensor; all processes must ask for it."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def local(value: torch.Tensor) -> torch.Tensor:
    """Return this process's share of a tensor; they have their memory in common."""
    return value.to_local() if isinstance(value, DTensor) else value


def placed_like(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return a whole tensor, which every process holds, shared out as another of its shape is."""
    if not isinstance(other, DTensor):
        return value
    return distribute_tensor(value.to(other.device), other.device_mesh, other.placements, src_data_rank=None)
