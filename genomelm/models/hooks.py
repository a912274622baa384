"""Looking at a model while it runs: what attention reads, and how large states and gradients are, block by block.

Nothing is added to a model that is not watched.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.nn.attention import ClassicAttention, SlidingAttention
from genomelm.nn.bigbird import BigBirdAttention
from genomelm.nn.rows import Rows

LIMIT = 1 << 24
"""Numbers of one attention map at most."""

ATTENTION = (SlidingAttention, ClassicAttention, BigBirdAttention)


class Flow(NamedTuple):
    """Norms of one block: the square root of a sum of squares.

    Attributes:
        name: of the block, in the model.
        output: of the states that it hands on, at real rows.
        gradient: of the loss with respect to these; None before the backward pass.
        parameters: of the loss with respect to its parameters; None before the backward pass.
    """

    name: str
    output: float
    gradient: float | None
    parameters: float | None


@dataclass
class Seen:
    """What was seen of the last forward pass, and of the backward pass behind it.

    Attributes:
        maps: name of an attention operator in the model -> weights of all patches for each row looked at, float32
            (r, heads, rows, p), r records or strands of the batch. They sum to 1; rows at padding are zeros. What is
            read of a group's mean counts as read of its patches in equal parts. In merged models a row is a merged
            patch.
    """

    blocks: dict[str, nn.Module]
    maps: dict[str, torch.Tensor] = field(default_factory=dict)
    outputs: dict[str, torch.Tensor] = field(default_factory=dict)
    gradients: dict[str, torch.Tensor] = field(default_factory=dict)

    def flow(self) -> list[Flow]:
        """Return the norms of each block, first to last: where gradients vanish or grow."""
        return [
            Flow(name, self.outputs[name].item(), _item(self.gradients.get(name)), _item(_of_parameters(block)))
            for name, block in self.blocks.items()
            if name in self.outputs
        ]


@contextmanager
def watching(
    model: GenomeModel,
    attention: bool = False,
    rows: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    limit: int = LIMIT,
) -> Iterator[Seen]:
    """Inside the block, forward passes of the model and their backward passes are looked at.

    Decoding from a state (`extend`) is not seen.

    Args:
        model: of any family.
        attention: keep the maps of attention operators; they are made anew from queries and keys.
        rows: patches that read, by their number in the record; None: all.
        heads: None: all.
        limit: numbers of a map at most.

    Raises:
        UsageError: in the forward pass: a map is larger than `limit`, or there is no such row or head.
    """
    backbone = model.shell.backbone
    names = {module: name for name, module in model.named_modules()}
    seen = Seen({names[block]: block for block in backbone.blocks})
    handles = [
        block.register_forward_hook(lambda _, given, out, name=name: _note(seen, name, given[1], out))
        for name, block in seen.blocks.items()
    ]
    if attention:

        def look(operator: nn.Module, given: tuple, _output: torch.Tensor) -> None:
            seen.maps[names[operator]] = _map(operator, *given[:2], rows, heads, limit)

        handles += [m.register_forward_hook(look) for m in backbone.modules() if isinstance(m, ATTENTION)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _note(seen: Seen, name: str, rows: Rows | torch.Tensor, output: torch.Tensor) -> None:
    """Keep the norm of a block's output, and that of its gradient once there is one."""
    real = rows.present[..., None] if isinstance(rows, Rows) else rows  # over bytes a block gets (b, l, 1) itself
    seen.outputs[name] = _norm(output.detach().masked_fill(~real, 0))
    seen.gradients.pop(name, None)
    if output.requires_grad:
        output.register_hook(lambda gradient: seen.gradients.__setitem__(name, _norm(gradient)))


@torch.no_grad()
def _map(
    operator: nn.Module,
    x: torch.Tensor,
    geometry: Rows,
    rows: Sequence[int] | None,
    heads: Sequence[int] | None,
    limit: int,
) -> torch.Tensor:
    patches = x.shape[1]
    rows = range(patches) if rows is None else rows
    heads = range(operator.heads) if heads is None else heads
    for kind, wanted, count in (("row", rows, patches), ("head", heads, operator.heads)):
        if wrong := [n for n in wanted if not 0 <= n < count]:
            raise UsageError(f"there is no {kind} {wrong[0]} in an attention map of {count}: choose 0 to {count - 1}")
    numbers = len(x) * len(heads) * len(rows) * patches
    if numbers > limit:
        raise UsageError(
            f"an attention map of {len(x)} records, {len(heads)} heads, {len(rows)} rows and {patches} patches has "
            f"{numbers:,} numbers, and the limit is {limit:,}: choose fewer rows or heads, or raise the limit"
        )
    queries, chosen = (torch.tensor(list(part), dtype=torch.int64, device=x.device) for part in (rows, heads))
    return operator.weights(x, geometry, queries, chosen)


def _norm(x: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm(x.detach(), dtype=torch.promote_types(x.dtype, torch.float32))


def _of_parameters(block: nn.Module) -> torch.Tensor | None:
    norms = [_norm(p.grad) for p in block.parameters() if p.grad is not None]
    return torch.stack(norms).norm() if norms else None


def _item(value: torch.Tensor | None) -> float | None:
    return None if value is None else value.item()
