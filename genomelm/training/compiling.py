"""A model through torch.compile, for as long as it is trained."""

import os
import shutil

import torch
from torch import nn

from genomelm.errors import ResourceError
from genomelm.models.backbone import Block
from genomelm.models.local import LocalLayer

COMPILERS = ("c++", "g++", "clang++", "cl")
"""What torch.compile may build its code with, where the environment's CXX names nothing else."""

LAYERS_ONLY = ("cpu",)
"""Devices on which layers are compiled one by one: patches are not padded to a few counts there, so shapes are many."""


def compiled(called: nn.Module, model: nn.Module, device: torch.device, shards: bool) -> nn.Module:
    """Return what a training step calls in place of `called`. Weights and their names stay as they are.

    Each shape gets code of its own; after a few shapes more than torch allows, the rest run as they were written.

    Args:
        called: the model, or what wraps it.
        model: the one whose layers are compiled where the whole is not (`restore_layers` undoes it).
        shards: whether its weights are shared out: they come together layer by layer, between compiled ones.

    Raises:
        ResourceError: there is no compiler.
    """
    if device.type == "xla":
        return called  # every step is compiled there
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
    if not any(map(shutil.which, wanted)):
        raise ResourceError(
            f"compile: true needs a C++ compiler, and none of {', '.join(wanted)} is on the PATH: install one (such as "
            "g++), or set compile: false"
        )
    if device.type not in LAYERS_ONLY and not shards:
        return torch.compile(called, dynamic=False)
    for layer in _layers(model):
        layer.forward = torch.compile(layer.forward, dynamic=False)
    return called


def restore_layers(model: nn.Module) -> None:
    """Let all layers run as they were written."""
    for layer in _layers(model):
        layer.__dict__.pop("forward", None)


def _layers(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, Block | LocalLayer)]
