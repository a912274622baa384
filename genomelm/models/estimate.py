"""Parameters of a model, operations and memory of training it, from its config and shapes alone."""

from dataclasses import dataclass

import torch
from torch import nn

from genomelm.models.dry_run import Counts, dry_run, model_without_data
from genomelm.models.families import GenomeConfig
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.kmers import KmerEmbedding

MOMENTS = 2
"""Numbers that Adam keeps of each parameter."""


@dataclass(frozen=True)
class Estimate:
    """What a model is and what a training step of it takes.

    Attributes:
        parameters, tables: all, and those of k-mer tables among them.
        weights, optimizer: bytes of parameters and buffers, and of Adam's moments.
        counts: operations and memory of a step.
        bases: of a batch.
        sparsity: share of what dense attention over a row's patches reads that BigBird attention leaves out, mean over
            its layers; None without it.
    """

    parameters: int
    tables: int
    weights: int
    optimizer: int
    counts: Counts
    bases: int
    sparsity: float | None

    @property
    def memory(self) -> int:
        """Most bytes of tensors in training; a CUDA context, FFT workspaces and fragments come on top."""
        return self.weights + self.optimizer + self.counts.peak


def estimate(
    config: GenomeConfig,
    batch: int,
    length: int,
    mean_patch: int,
    dtype: torch.dtype = torch.float32,
    device: str = "cuda",
) -> Estimate:
    """Estimate training a language model with AdamW; the arguments are those of `dry_run`.

    Weights, gradients and moments are float32 in either dtype.
    """
    model = model_without_data(config)
    parameters = {id(p): p for p in model.parameters()}
    count = sum(p.numel() for p in parameters.values())
    patches = 1 + -(-length // mean_patch)  # BOS is a patch
    shares = [m.sparsity(patches).share for m in model.modules() if isinstance(m, BigBirdAttention)]
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    return Estimate(
        parameters=count,
        tables=in_tables(model),
        weights=sum(p.numel() * p.element_size() for p in parameters.values()) + buffers,
        optimizer=MOMENTS * 4 * count,
        counts=dry_run(config, batch, length, mean_patch, dtype, device),
        bases=batch * length,
        sparsity=sum(shares) / len(shares) if shares else None,
    )


def in_tables(model: nn.Module) -> int:
    """Return how many of a model's parameters are in k-mer tables, exact and hashed ones."""
    tables = {id(p): p for m in model.modules() if isinstance(m, KmerEmbedding) for p in m.parameters()}
    return sum(p.numel() for p in tables.values())


def largest_batch(
    config: GenomeConfig, limit: int, length: int, mean_patch: int, dtype: torch.dtype, device: str = "cuda"
) -> int:
    """Return the most rows of `length` bases whose training step needs at most `limit` bytes; 0 if none does."""

    def memory(batch: int) -> int:
        return estimate(config, batch, length, mean_patch, dtype, device).memory

    one, two = memory(1), memory(2)
    if one > limit:
        return 0
    batch = 1 + int((limit - one) // max(two - one, 1))  # memory grows by the same for each row
    while batch > 1 and memory(batch) > limit:
        batch -= 1
    return batch
