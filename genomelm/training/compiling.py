"""Layers through torch.compile, for as long as a model is trained."""

import os
import shutil

import torch
from torch import nn

from genomelm.errors import ResourceError
from genomelm.models.backbone import Block
from genomelm.models.local import LocalLayer

COMPILERS = ("c++", "g++", "clang++", "cl")
"""What torch.compile may build its code with, where the environment's CXX names nothing else."""


def compile_layers(model: nn.Module) -> None:
    """Let each block and local layer run through torch.compile: layers that are alike share their code.

    A model as a whole would be cut into pieces where it counts its patches, and takes minutes to compile. Its weights
    and their names stay as they are.

    Raises:
        ResourceError: there is no compiler.
    """
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
    if not any(map(shutil.which, wanted)):
        raise ResourceError(
            f"compile: true needs a C++ compiler, and none of {', '.join(wanted)} is on the PATH: install one (such as "
            "g++), or set compile: false"
        )
    for layer in _layers(model):
        # Each shape gets code of its own: off the CPU patches are padded to a few counts. After a few shapes more,
        # torch runs the rest as they were written.
        layer.forward = torch.compile(layer.forward, dynamic=False)


def restore_layers(model: nn.Module) -> None:
    """Let all layers run as they were written."""
    for layer in _layers(model):
        layer.__dict__.pop("forward", None)


def _layers(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, Block | LocalLayer)]
