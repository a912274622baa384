"""The processes of one run: how many they are, what they agree on, and how they share a model."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from genomelm.errors import ResourceError
from genomelm.files import output_lock
from genomelm.runtime import processes

QUIET = logging.ERROR
"""Level of the package's log lines in every process but the first."""


class Team:
    """The processes that `torchrun` or `accelerate launch` started for a run, or this one alone.

    Figures and requests go over a CPU group of their own, so that asking for them never waits for a GPU.

    Args:
        device: of this process; all must have one of the same type.

    Attributes:
        rank, size: number of this process, and of all.

    Raises:
        ResourceError: the processes have devices of several types.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.size = processes()
        self.device = device
        if self.size == 1:
            return
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs

        # Not every weight has a gradient in every step: a task without labels, a track that has no value.
        handler = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no", kwargs_handlers=[handler])
        self._talk = distributed.group.WORLD if device.type == "cpu" else distributed.new_group(backend="gloo")
        if self.rank:
            logging.getLogger("genomelm").setLevel(QUIET)
        types: list[str] = [""] * self.size
        distributed.all_gather_object(types, device.type, group=self._talk)
        if len(set(types)) > 1:
            listed = ", ".join(f"{rank}: {kind}" for rank, kind in enumerate(types))
            raise ResourceError(
                f"the processes of this run have devices of several types ({listed}): start it on machines that are "
                "alike, or give --device cpu"
            )

    @property
    def first(self) -> bool:
        """Whether this process writes files and log lines."""
        return self.rank == 0

    def sums(self, values: Sequence[float]) -> list[float]:
        """Return the sums of numbers over all processes, in float64; each gets the same ones."""
        if self.size == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(summed, group=self._talk)
        return summed.tolist()

    def any(self, *flags: bool) -> list[bool]:
        """Return which flags are set in any process."""
        return [bool(total) for total in self.sums([float(flag) for flag in flags])]

    def from_first(self, value: object) -> object:
        """Return what the first process holds."""
        if self.size == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, src=0, group=self._talk)
        return held[0]

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.sums([0.0])

    def shared(self, model: nn.Module) -> nn.Module:
        """Return `model` with gradients that are means over the processes (DDP); it keeps its weights."""
        if self.size == 1:
            return model
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch 2.13 has another name for broadcast_buffers
            return self.accelerator.prepare_model(model)

    @contextlib.contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """Run the block in the first process, then in the others: for files that the first one makes on the way."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    @contextlib.contextmanager
    def opened(self, resource: contextlib.AbstractContextManager) -> Iterator[Any]:
        """Hold `resource` inside the block; the first process opens it ahead of the others, and makes its index."""
        with contextlib.ExitStack() as stack:
            with self.first_goes_ahead():
                held = stack.enter_context(resource)
            yield held

    def writing(self, out: Path) -> contextlib.AbstractContextManager:
        """Return the lock of an output, which the first process holds for all."""
        return output_lock(out) if self.first else contextlib.nullcontext()

    def accumulating(self, model: nn.Module, more: bool) -> contextlib.AbstractContextManager:
        """Hold back the exchange of gradients inside the block, where `more` micro-batches of the step follow."""
        return model.no_sync() if more and hasattr(model, "no_sync") else contextlib.nullcontext()


def sharding_asked(shard: bool) -> bool:
    """Return whether weights are to be shared out: by the training file, or by `accelerate launch --use_fsdp`."""
    return shard or os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true")
