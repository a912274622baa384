"""The attention operator: projections around attention over a window of patches, or over all."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.nn.attention.penalty import penalty, slopes_of
from genomelm.nn.attention.portable import dense, one, penalised, windowed
from genomelm.nn.attention.shares import read_shares
from genomelm.nn.history import History
from genomelm.nn.rotary import turned
from genomelm.nn.rows import Rows


class AttentionState(NamedTuple):
    """What causal attention keeps of the rows so far; without a window it is the `History` of all keys, values, places.

    Attributes:
        key, value: (b, w, h, d), of the last w = window - 1 rows; keys are turned.
        real: (b, w) bool, False where there was no row yet.
        place: (b, w) int64, base coordinates of the keys.
    """

    key: torch.Tensor
    value: torch.Tensor
    real: torch.Tensor
    place: torch.Tensor


class SlidingAttention(nn.Module):
    """Softmax attention of every patch over its neighbours, or over all patches, told of their base coordinates.

    Args:
        width: d.
        heads: attention heads.
        window: causal: rows that a row attends to, itself the last; bidirectional: rows on either side. 0: all rows,
            and quadratic work.
        rotary_base: frequency base of the rotary angles, at least 4 * target length in bases / (2 pi); None: positions
            are not told.
        bidirectional: False: row j is made from rows <= j.
        output_gate: y * sigmoid(W x) at the end.
        alibi: logits lose with distance in bases, by a slope of each head (`penalty`).

    Raises:
        UsageError: the width does not split into heads of an even width.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        window: int = 128,
        rotary_base: float | None = 4096.0,
        bidirectional: bool = False,
        output_gate: bool = False,
        alibi: bool = False,
    ) -> None:
        super().__init__()
        if width % (2 * heads):
            raise UsageError(
                f"the width of the patch states is {width}, which does not split into {heads} attention heads of an "
                f"even width (rotary positions turn pairs of channels): choose a multiple of {2 * heads}"
            )
        self.heads, self.window, self.rotary_base, self.bidirectional = heads, window, rotary_base, bidirectional
        self.into = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, width) if output_gate else None
        self.register_buffer("slopes", slopes_of(heads) if alibi else None, persistent=False)

    @property
    def constant_state(self) -> bool:
        """Whether the state of `extend` stays as large as it is; that of attention over all rows grows."""
        return self.window > 0

    def forward(self, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Mix (b, p, d) along p.

        Args:
            x: (b, p, d).
            rows: geometry; what stands at padding is not read.

        Returns:
            (b, p, d); zeros where not present.
        """
        x = x.masked_fill(~rows.present[..., None], 0)
        query, key, value = self._project(x, rows)
        if self.window == 0:
            y = self._dense(query, key, value, rows.present if self.bidirectional else None, rows.places)
        else:
            back, ahead = (self.window, self.window) if self.bidirectional else (self.window - 1, 0)
            key, value = (F.pad(part, (0, 0, 0, 0, back, ahead)) for part in (key, value))
            real, places = (F.pad(part, (back, ahead)) for part in (rows.present, rows.places))
            y = windowed(query, key, value, real, back, ahead, self.slopes, places)
        return self._finish(y, x).masked_fill(~rows.present[..., None], 0)

    def weights(self, x: torch.Tensor, rows: Rows, queries: torch.Tensor, heads: torch.Tensor) -> torch.Tensor:
        """Return what some rows read: (b, h, q, p) float32 at least, all keys of each; they sum to 1 at real rows.

        Args:
            x: (b, p, d), as `forward` gets it.
            rows: geometry.
            queries: (q,) int64, rows that read; those at padding have zeros.
            heads: (h,) int64.
        """
        query, key, _ = self._project(x.masked_fill(~rows.present[..., None], 0), rows)
        lag = queries[:, None] - torch.arange(x.shape[1], device=x.device)  # (q, p)
        allowed = torch.ones_like(lag, dtype=torch.bool) if self.bidirectional else lag >= 0
        if self.window:
            allowed = allowed & (lag.abs() <= (self.window if self.bidirectional else self.window - 1))
        bias = 0.0
        if self.slopes is not None:
            bias = penalty(self.slopes[heads], rows.places[:, queries], rows.places)
        return read_shares(query[:, queries][:, :, heads], key[:, :, heads], allowed, rows.present, queries, bias)

    def initial_state(self, batch: int) -> AttentionState | History:
        """Return the state before the first row.

        Raises:
            UsageError: the operator is bidirectional.
        """
        if self.bidirectional:
            raise UsageError("this attention is bidirectional and needs all rows at once: decode with a causal model")
        weight = self.out.weight
        none = weight.new_zeros(batch, max(0, self.window - 1), self.heads, len(weight) // self.heads)
        real = torch.zeros(none.shape[:2], dtype=torch.bool, device=none.device)
        if not self.window:
            return History.empty(none, none, real.long())
        return AttentionState(none, none.clone(), real, real.long())

    def extend(
        self, x: torch.Tensor, rows: Rows, state: AttentionState | History
    ) -> tuple[torch.Tensor, AttentionState | History]:
        """Mix rows that follow those behind `state`.

        Args:
            x: (b, k, d), k >= 1, without padding; window 0: k is 1 where the sequences are not equally long.
            rows: geometry of these rows.
            state: from `initial_state` or an earlier call; O(window), or O(p) for p rows so far with window 0.

        Returns:
            y: (b, k, d).
            state: after the last row.
        """
        query, key, value = self._project(x, rows)
        if not self.window:
            y, state = self._continued(query, key, value, rows.places, state)
            return self._finish(y, x), state
        # What is kept stays in float32, which holds any autocast's numbers.
        key = torch.cat([state.key, key], 1)
        value = torch.cat([state.value, value], 1)
        real = F.pad(state.real, (0, x.shape[1]), value=True)
        places = torch.cat([state.place, rows.places], 1)
        keys, values = key.to(query.dtype), value.to(query.dtype)
        if x.shape[1] == 1:
            y = one(query, keys, values, real, self.slopes, rows.places, places)
        else:
            y = windowed(query, keys, values, real, self.window - 1, 0, self.slopes, places)
        # In memory of its own, so that a long text is not kept.
        kept = (part[:, x.shape[1] :].clone() for part in (key, value, real, places))
        return self._finish(y, x), AttentionState(*kept)

    def _continued(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, places: torch.Tensor, state: History
    ) -> tuple[torch.Tensor, History]:
        """Attend over all rows so far and these, (b, k, h, d / h)."""
        state = state.written(key, value, places)
        keys, values, at = state.rows()
        keys, values = keys.to(query.dtype), values.to(query.dtype)
        if state.is_even:
            return self._dense(query, keys, values, None, at), state
        return one(query, keys, values, state.there(), self.slopes, places, at), state

    def _project(self, x: torch.Tensor, rows: Rows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return query, key and value, the former two turned: (b, p, h, d / h) each."""
        query_key, value = self.into(x).unflatten(-1, (3 * self.heads, -1)).split([2 * self.heads, self.heads], 2)
        if self.rotary_base is not None:
            query_key = turned(query_key, *rows.turn(query_key.shape[-1] // 2, self.rotary_base))
        return *query_key.chunk(2, 2), value

    def _dense(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        real: torch.Tensor | None,
        places: torch.Tensor,
    ) -> torch.Tensor:
        if self.slopes is None:
            return dense(query, key, value, real, not self.bidirectional)
        return penalised(query, key, value, real, not self.bidirectional, self.slopes, places)

    def _finish(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        y = self.out(y.flatten(-2))
        return y if self.gate is None else y * torch.sigmoid(self.gate(x))
