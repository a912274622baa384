"""What stands in the middle of the byte-latent shell: pre-norm blocks over patch states."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.config import MergeConfig
from genomelm.nn.merge import AdaptiveTokenMerger
from genomelm.nn.mlp import GatedMLP
from genomelm.nn.norm import RMSNorm
from genomelm.nn.rows import Rows


class Block(nn.Module):
    """x + mixer(norm(x)), then x + mlp(norm(x)).

    Args:
        width: D.
        hidden: hidden width of the gated MLP.
        mixer: called with (b, p, D) and Rows; returns (b, p, D).
        gate: of the MLP, swiglu or geglu.
        rezero: what mixer and MLP add is scaled by a learned number each, which starts at 0 (Bachlechner et al. 2020,
            arXiv:2003.04887).
    """

    def __init__(self, width: int, hidden: int, mixer: nn.Module, gate: str = "swiglu", rezero: bool = False) -> None:
        super().__init__()
        self.mixer_norm = RMSNorm(width)
        self.mixer = mixer
        self.mlp_norm = RMSNorm(width)
        self.mlp = GatedMLP(width, hidden, gate)
        self.mixer_scale = nn.Parameter(torch.zeros(())) if rezero else None
        self.mlp_scale = nn.Parameter(torch.zeros(())) if rezero else None

    def forward(self, x: torch.Tensor, rows: Rows, merger: AdaptiveTokenMerger | None = None) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D); with a merger the mixer runs on merged rows."""
        mixed = self.mixer_norm(x)
        mixed = self.mixer(mixed, rows) if merger is None else merger(mixed, rows, self.mixer)
        return self._joined(x, mixed)

    @property
    def constant_state(self) -> bool:
        """Whether the mixer's state stays as large as it is, however many rows are behind it."""
        return self.mixer.constant_state

    def initial_state(self, batch: int) -> Any:
        """Return the mixer's state before the first row."""
        return self.mixer.initial_state(batch)

    def extend(self, x: torch.Tensor, rows: Rows, state: Any, last: int | None = None) -> tuple[torch.Tensor, Any]:
        """Map the k rows (b, k, D) that follow those behind `state`; return them, or the `last`, and the state."""
        mixed, state = self.mixer.extend(self.mixer_norm(x), rows, state)
        if last is not None:
            x, mixed = (part[:, part.shape[1] - last :] for part in (x, mixed))
        return self._joined(x, mixed), state

    def _joined(self, x: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        """Add what the mixer gave, and what the MLP makes of the sum."""
        x = x + (mixed if self.mixer_scale is None else self.mixer_scale * mixed)
        more = self.mlp(self.mlp_norm(x))
        return x + (more if self.mlp_scale is None else self.mlp_scale * more)


class Backbone(nn.Module):
    """A stack of blocks with a last norm.

    Args:
        width: D.
        blocks: run in turn.
        merge: which of them run on merged rows. A span is merged once: its blocks run on the rows at boundaries, and
            what they add there is un-merged and added to all rows. Each: every mixer has boundaries of its own.

    Raises:
        UsageError: the span is empty or ends past the last block.
    """

    def __init__(self, width: int, blocks: Sequence[Block], merge: MergeConfig | None = None) -> None:
        super().__init__()
        merge = merge or MergeConfig()
        self.blocks = nn.ModuleList(blocks)
        self.span = (merge.first, merge.last or len(blocks)) if merge.where == "span" else None
        if self.span and not self.span[0] < self.span[1] <= len(blocks):
            raise UsageError(
                f"merge.first is {merge.first} and merge.last {merge.last}, and the backbone has {len(blocks)} blocks: "
                "first must be below last, and last at most their number (0: all)"
            )
        sizes = (merge.mean, merge.min, merge.max, merge.taps, merge.weight)
        count = {"none": 0, "span": 1, "each": len(blocks)}[merge.where]
        self.mergers = nn.ModuleList(AdaptiveTokenMerger(width, *sizes) for _ in range(count))
        self.norm = RMSNorm(width)
        self.gradient_checkpointing = False  # set by transformers, which hands over what a block is then run by

    def forward(self, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Map (b, p, D) to (b, p, D); causal shells: row j from rows <= j."""
        if self.span:
            first, last = self.span
            x = self._run(x, rows, 0, first)
            x = x + self.mergers[0](x, rows, lambda x, rows: self._run(x, rows, first, last) - x)
            x = self._run(x, rows, last, len(self.blocks))
        elif self.mergers:
            for block, merger in zip(self.blocks, self.mergers, strict=True):
                x = self._through(block, x, rows, merger)
        else:
            x = self._run(x, rows, 0, len(self.blocks))
        return self.norm(x)

    @property
    def constant_state(self) -> bool:
        """Whether the state of `extend` stays as large as it is, however many rows are behind it."""
        return not self.mergers and all(block.constant_state for block in self.blocks)

    def initial_state(self, batch: int) -> tuple:
        """Return the state before the first row, of each block.

        Raises:
            UsageError: rows are merged, or a block needs all rows at once.
        """
        if self.mergers:
            raise UsageError("merged rows cannot be decoded one by one: use a model whose merge.where is none")
        return tuple(block.initial_state(batch) for block in self.blocks)

    def extend(self, x: torch.Tensor, rows: Rows, state: tuple, last: int | None = None) -> tuple[torch.Tensor, tuple]:
        """Map rows that follow those behind `state`: the same as `forward` in one go, in any cuts.

        Args:
            x: (b, k, D), k >= 1, without padding.
            rows: geometry of these k rows.
            state: from `initial_state` or an earlier call.
            last: how many of the rows are wanted, the last ones; None: all.

        Returns:
            y: (b, k, D), or (b, last, D).
            state: after the last row.
        """
        after = []
        for number, (block, part) in enumerate(zip(self.blocks, state, strict=True), 1):
            x, part = block.extend(x, rows, part, last if number == len(self.blocks) else None)
            after.append(part)
        return self.norm(x), tuple(after)

    def _run(self, x: torch.Tensor, rows: Rows, first: int, last: int) -> torch.Tensor:
        for block in self.blocks[first:last]:
            x = self._through(block, x, rows)
        return x

    def _through(self, block: Block, x: torch.Tensor, *rest: object) -> torch.Tensor:
        if self.gradient_checkpointing and self.training:
            return self._gradient_checkpointing_func(block, x, *rest)
        return block(x, *rest)
