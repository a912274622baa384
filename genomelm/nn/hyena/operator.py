"""The Hyena operator of order N: short convolutions, gates and convolutions by filters of four kinds."""

from typing import NamedTuple

import torch
from torch import nn

from genomelm.errors import UsageError
from genomelm.nn.held import Shared
from genomelm.nn.history import History
from genomelm.nn.hyena.distance import DistanceDecay
from genomelm.nn.hyena.explicit import ExplicitTaps
from genomelm.nn.hyena.filter import ImplicitFilter
from genomelm.nn.hyena.forms import FORMS
from genomelm.nn.hyena.modal import ModalFilter
from genomelm.nn.rows import Rows
from genomelm.nn.shortconv import ShortConv

FEWEST_LAGS = 256
"""Lags for which a continued implicit filter is worked out at first; then twice as many, whenever they run out."""


class HyenaState(NamedTuple):
    """What a causal operator keeps of the rows so far.

    Attributes:
        short: state of the projections' short convolutions.
        stages: state of each stage's convolution.
        distances: state of each stage's decay over bases, if there is one.
        filters: of each stage; implicit ones: the taps at as many lags as were worked out so far.
    """

    short: torch.Tensor
    stages: tuple[torch.Tensor | History, ...]
    distances: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    filters: Shared


class HyenaOperator(nn.Module):
    """Project to N+1 streams, then gate and convolve N-1 times, gate once more.

    For order 2: y = out(x1 * (h * (x2 * v) + skip * (x2 * v))), with x1, x2, v the projections
    after a depthwise convolution of three taps. The bidirectional form centres the short
    convolutions and gives each long one a second filter for the rows ahead.

    Args:
        width: d.
        order: N >= 2.
        target_length: tokens that the filters are meant to reach.
        bidirectional: rows see later rows too.
        kind: of the filters h: implicit, modal (sums of real poles), short or medium (explicit taps).
        taps: short and medium: k.
        poles: modal: m.
        groups: filters that the channels share, neighbours the same one; 0: one a channel.
        output_gate: y * sigmoid(W x) at the end.
        target_bases: where not 0, each convolution also adds a decay over the distance in bases that is meant to reach
            so far.

    Raises:
        UsageError: the channels do not split into the groups.
    """

    def __init__(
        self,
        width: int,
        order: int = 2,
        target_length: int = 1024,
        bidirectional: bool = False,
        kind: str = "implicit",
        taps: int = 7,
        poles: int = 16,
        groups: int = 0,
        output_gate: bool = False,
        target_bases: int = 0,
    ) -> None:
        super().__init__()
        if groups and width % groups:
            raise UsageError(
                f"the width of the patch states is {width}, which does not split into {groups} groups of channels that "
                "share a filter: choose a divisor of the width"
            )
        self.order, self.kind, self.form = order, kind, FORMS[kind]
        self.share = width // (groups or width)
        channels = (order - 1) * (groups or width)

        def make() -> nn.Module:
            if kind == "implicit":
                return ImplicitFilter(channels, target_length)
            return ModalFilter(channels, target_length, poles) if kind == "modal" else ExplicitTaps(channels, taps)

        # By the name `.filter.` the optimizer knows what is to learn slowly.
        self.name = "filter" if kind in ("implicit", "modal") else "taps"
        self.into = nn.Linear(width, (order + 1) * width, bias=False)
        self.short = ShortConv((order + 1) * width, 3, centred=bidirectional)
        self.add_module(self.name, make())
        self.skip = nn.Parameter(torch.ones(order - 1, width))
        self.out = nn.Linear(width, width, bias=False)
        self.ahead = nn.ModuleDict({self.name: make()} if bidirectional else {})
        self.gate = nn.Linear(width, width) if output_gate else None
        sides = (1 + bidirectional) if target_bases else 0
        self.distance = nn.ModuleList(
            nn.ModuleDict({"filter": DistanceDecay((order - 1) * width, target_bases)}) for _ in range(sides)
        )

    @property
    def constant_state(self) -> bool:
        """Whether the state of `extend` stays as large as it is; that of implicit filters grows with the rows."""
        return self.form.constant_state

    def forward(self, x: torch.Tensor, rows: Rows | None = None) -> torch.Tensor:
        """Mix along p.

        Args:
            x: (b, p, d).
            rows: geometry; None means no padding. Padding enters as zero; the bidirectional form sets it to
                zero again before each convolution, where the causal form has it at the right, out of sight.

        Returns:
            (b, p, d).
        """
        padding = None if rows is None else ~rows.present[..., None]
        streams = self.into(x)
        if padding is not None:
            streams = streams.masked_fill(padding, 0)
        *gates, value = self.short(streams).chunk(self.order + 1, -1)
        behind = self._by_stage(self._behind(x.shape[1]))
        ahead = self._by_stage(self.ahead[self.name](x.shape[1])) if self.ahead else [None] * len(behind)
        for stage, gate in enumerate(gates[1:]):
            value = value * gate
            if padding is not None and self.ahead:
                value = value.masked_fill(padding, 0)
            mixed = self.form.convolve(value, behind[stage], ahead[stage])
            if self.distance:
                mixed = mixed + self._by_distance(value, rows, stage)
            value = mixed + self.skip[stage] * value
        return self._finish(gates[0] * value, x)

    def initial_state(self, batch: int) -> HyenaState:
        """Return the state before the first row.

        Raises:
            UsageError: the operator is bidirectional.
        """
        if self.ahead:
            raise UsageError(
                "this Hyena operator is bidirectional and needs all rows at once: decode with a causal model"
            )
        weight = self.out.weight
        none = weight.new_zeros(batch, 0, len(weight))
        filters = self._by_stage(self._behind(0))
        stages = tuple(self.form.initial_state(none, part) for part in filters)
        distances = ()
        if self.distance:
            distances = tuple(self.distance[0]["filter"].initial_state(none) for _ in stages)
        return HyenaState(self.short.initial_state(batch), stages, distances, Shared(filters))

    def extend(self, x: torch.Tensor, rows: Rows, state: HyenaState) -> tuple[torch.Tensor, HyenaState]:
        """Mix rows that follow those behind `state`.

        Args:
            x: (b, k, d), k >= 1, without padding.
            rows: geometry of these rows.
            state: from `initial_state` or an earlier call. Implicit filters: of size O(p), p rows so far; else O(1).

        Returns:
            y: (b, k, d).
            state: after the last row.
        """
        streams, short = self.short.extend(self.into(x), state.short)
        *gates, value = streams.chunk(self.order + 1, -1)
        filters = self._continued(state, x.shape[1])
        stages, distances = [], []
        for stage, (gate, part) in enumerate(zip(gates[1:], filters.value, strict=True)):
            value = value * gate
            mixed, after = self.form.extend(value, part, state.stages[stage])
            stages.append(after)
            if self.distance:
                further, after = self._decay(0, value, rows.places, stage, state.distances[stage])
                mixed = mixed + further
                distances.append(after)
            value = mixed + self.skip[stage] * value
        return self._finish(gates[0] * value, x), HyenaState(short, tuple(stages), tuple(distances), filters)

    @property
    def _behind(self) -> nn.Module:
        return getattr(self, self.name)

    def _continued(self, state: HyenaState, count: int) -> Shared:
        """Return the filters for so many further rows; implicit taps are worked out only when they run out."""
        if self.kind != "implicit" or len(state.filters.value[0]) >= (needed := state.stages[0].longest + count):
            return state.filters
        return Shared(self._by_stage(self._behind(max(FEWEST_LAGS, 1 << (needed - 1).bit_length()))))

    def _by_stage(self, behind: torch.Tensor) -> list[torch.Tensor]:
        """Return the filter (..., d) of each stage, of channels * stages.

        They are interleaved, so that each of the convolutions has decays over the whole range.
        """
        parts = behind.unflatten(-1, (-1, self.order - 1)).unbind(-1)
        return [part.repeat_interleave(self.share, -1) for part in parts] if self.share > 1 else list(parts)

    def _by_distance(self, value: torch.Tensor, rows: Rows, stage: int) -> torch.Tensor:
        """Return the decays over bases, to both sides where there are two; lag 0 belongs to the first."""
        y, _ = self._decay(0, value, rows.places, stage)
        if len(self.distance) == 1:
            return y
        z, _ = self._decay(1, value.flip(1), -rows.places.flip(1), stage)
        own = self.distance[1]["filter"].amplitude.unflatten(-1, (self.order - 1, -1))[:, stage].sum(0)
        return y + z.flip(1) - own * value

    def _decay(self, side: int, value: torch.Tensor, places: torch.Tensor, stage: int, state=None):
        d = value.shape[-1]
        return self.distance[side]["filter"](value, places, slice(stage * d, (stage + 1) * d), state)

    def _finish(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        y = self.out(y)
        return y if self.gate is None else y * torch.sigmoid(self.gate(x))
