"""A training step on tensors without data: what it computes and holds, found from shapes alone.

Nothing is allocated, so a model of any size runs at any length on any machine. Products of matrices and convolutions
are counted as torch counts them, attention kernels and FFTs by formula; memory is every tensor's own, while it lives.
"""

import math
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from genomelm.models.classes import CLASSES
from genomelm.models.config import LANGUAGE_HEADS
from genomelm.models.families import GenomeConfig
from genomelm.models.model import GenomeModel
from genomelm.nn.rows import bucket

_ATEN = torch.ops.aten
ATTENTION = {
    _ATEN._scaled_dot_product_flash_attention_for_cpu: lambda query, key, *_, **__: 4 * _pairs(query, key),
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: lambda _, query, key, *__, **___: (
        10 * _pairs(query, key)
    ),
}
"""The CPU's attention kernels, which torch does not count -> operations as it counts those of CUDA's kernels: of all
pairs, causal or not; two products forward, and backward the logits again and four products."""

GRAIN = 512
"""Bytes that CUDA's allocator rounds each tensor up to."""


@dataclass(frozen=True)
class Counts:
    """One training step of a language model.

    Attributes:
        forward, step: floating-point operations of products, convolutions and FFTs: of the forward pass, and of forward
            and backward pass.
        saved: bytes that the forward pass leaves for the backward pass.
        peak: most bytes held at once besides weights and optimizer, gradients included.
    """

    forward: float
    step: float
    saved: int
    peak: int


def model_without_data(config: GenomeConfig) -> GenomeModel:
    """Return the language model of a config, whatever its own head, on the meta device: shapes only."""
    kind = LANGUAGE_HEADS[config.shell["objective"]]
    trunk = type(config)(**{name: getattr(config, name) for name in config.sections() if name != "head"})
    with torch.device("meta"):
        return CLASSES[config.model_type, kind](trunk)


def dry_run(
    config: GenomeConfig,
    batch: int,
    length: int,
    mean_patch: int,
    dtype: torch.dtype = torch.float32,
    device: str = "cuda",
) -> Counts:
    """Count a training step.

    Args:
        config: of a language model; the head's kind is not read.
        batch: rows.
        length: bases of each row, before which BOS stands.
        mean_patch: bases of each patch.
        dtype: float32, or bfloat16 by autocast.
        device: cuda or cpu: patches of a row are padded as there. The code that runs is the CPU's, on any machine.
    """
    model = model_without_data(config)
    padded = bucket if device == "cuda" else int
    patches = padded(1 + -(-length // mean_patch))  # BOS is a patch
    merge = getattr(config, "merge", {"where": "none"})
    merged = patches if merge["where"] == "none" else min(padded(math.ceil(patches / merge["mean"])), patches)
    held = _Held(patches, merged)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cpu"):
        _fill(model)
        model.train()
        held.known(*model.parameters(), *model.buffers())
        ids = torch.full((batch, length + 1), ord("A"))
        starts = torch.zeros(batch, length + 2, dtype=torch.bool)
        inputs = {"input_ids": ids, "patch_starts": starts}
        if model.is_conjoined:
            inputs["patch_starts_reverse"] = starts
        autocast = torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32)
        with warnings.catch_warnings(), _counter() as products, held:
            warnings.simplefilter("ignore")  # about kernels, of which none runs
            with autocast:
                loss = model(**inputs, labels=ids, return_logits=False).loss
            forward, saved = products.get_total_flops() + held.transforms, held.live
            loss.backward()
            return Counts(forward, products.get_total_flops() + held.transforms, saved, held.peak)


def _counter() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping=ATTENTION)


def _pairs(query: torch.Size, key: torch.Size) -> int:
    """Return the pairs of (b, h, q, d) and (b, h, k, d), times their channels."""
    return math.prod(query) * key[2]


def _fill(model: nn.Module) -> None:
    """Move parameters and buffers from the meta device to the CPU, in name; shared ones stay shared."""
    made: dict[int, torch.Tensor] = {}
    for module in model.modules():
        for name, value in module._parameters.items():
            if value is not None:
                if id(value) not in made:
                    made[id(value)] = nn.Parameter(torch.empty_like(value, device="cpu"), value.requires_grad)
                module._parameters[name] = made[id(value)]
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = made.setdefault(id(value), torch.empty_like(value, device="cpu"))


class _Held(TorchDispatchMode):
    """Adds up the tensors that live, and the operations of FFTs; answers what a model asks of tensors' values.

    A model reads two kinds of numbers from tensors: the number of its last patch, first, and then the merged rows of
    the longest record.
    """

    def __init__(self, patches: int, merged: int) -> None:
        super().__init__()
        self.answers = self._answers(patches, merged)
        self.transforms, self.live, self.peak = 0.0, 0, 0
        self.seen: weakref.WeakSet = weakref.WeakSet()

    @staticmethod
    def _answers(patches: int, merged: int) -> Iterator[int]:
        yield patches
        while True:
            yield merged

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            return next(self.answers)
        found = func(*args, **(kwargs or {}))
        self.transforms += _transform_flops(func, args, found)
        for tensor in tree_leaves(found):
            if isinstance(tensor, torch.Tensor):
                self._hold(tensor.untyped_storage())
        return found

    def known(self, *tensors: torch.Tensor) -> None:
        """Leave these tensors and their views out."""
        for tensor in tensors:
            self.seen.add(tensor.untyped_storage())

    def _hold(self, storage: torch.UntypedStorage) -> None:
        if storage in self.seen:
            return
        size = -(-storage.nbytes() // GRAIN) * GRAIN
        self.seen.add(storage)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._let_go, size)

    def _let_go(self, size: int) -> None:
        self.live -= size


def _transform_flops(func, args: tuple, found: object) -> float:
    """Return 5 n log2(n) of each complex transform of n points, and half of it of each real one."""
    if func is torch.ops.aten._fft_r2c.default:
        signal, share = args[0], 2.5
    elif func is torch.ops.aten._fft_c2r.default:
        signal, share = found, 2.5
    elif func is torch.ops.aten._fft_c2c.default:
        signal, share = args[0], 5.0
    else:
        return 0.0
    points = math.prod(signal.shape[d] for d in args[1])
    return share * signal.numel() * math.log2(max(points, 2))
