"""Decay over the distance in bases: what patches of unequal length add to filters that count patches."""

import math

import torch
import torch.nn.functional as F
from torch import nn

CHUNK = 32
"""Rows of a chunk."""
NEAREST = 64.0
"""Bases: the shortest first e-fold."""


class DistanceDecay(nn.Module):
    """y[t] = sum over poles of amplitude * the sum over s <= t of exp(-rate * (place[t] - place[s])) * value[s].

    The rates are shared by all channels, so that a chunk's decays are a few matrices; the amplitudes are not.
    Only differences of places enter, none of them negative: nothing grows, however long the sequence.

    Args:
        channels: d.
        target_bases: bases that the decays are meant to reach; first e-folds lie from NEAREST to four times that.
        poles: m.
    """

    def __init__(self, channels: int, target_bases: int, poles: int = 4) -> None:
        super().__init__()
        self.poles = poles
        folds = torch.logspace(math.log10(NEAREST), math.log10(max(4.0 * target_bases, NEAREST)), poles)
        self.log_rate = nn.Parameter(-folds.log())
        self.amplitude = nn.Parameter(torch.randn(poles, channels) * (poles * folds[:, None] / NEAREST) ** -0.5)

    def initial_state(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the state before the first row, for rows like those of values (b, 0, d)."""
        place = torch.zeros(len(values), dtype=torch.int64, device=values.device)
        return place, values.new_zeros(len(values), self.poles, values.shape[2], dtype=torch.float32)

    def forward(
        self,
        values: torch.Tensor,
        places: torch.Tensor,
        channels: slice,
        state: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """Decay and sum.

        Args:
            values: (b, p, d), p >= 1.
            places: (b, p) int64, bases, not falling along p.
            channels: which of the module's channels the values are.
            state: place of the row before row 0, (b,), and the sums there, (b, m, d) float32; None is zero.

        Returns:
            y: (b, p, d) in the values' dtype.
            state: after the last row.
        """
        with torch.autocast(values.device.type, enabled=False):
            rates, amplitude = self.log_rate.float().exp(), self.amplitude[:, channels].float()
            sums = _decayed_sums(values.float()[:, None], places, rates)  # (b, m, p, d)
            if state is not None:
                since = places - state[0][:, None]
                sums = sums + _decay(rates[:, None], since[:, None])[..., None] * state[1][:, :, None]
            y = torch.einsum("bmpd,md->bpd", sums, amplitude)
        return y.to(values.dtype), (places[:, -1].clone(), sums[:, :, -1].clone())


def _decayed_sums(values: torch.Tensor, places: torch.Tensor, rates: torch.Tensor) -> torch.Tensor:
    """Scan inside chunks by matrices of decays, and over the chunks' ends by the same.

    Args:
        values: (b, m or 1, p, d) float32.
        places: (b, p) int64.
        rates: (m,).

    Returns:
        (b, m, p, d).
    """
    p = values.shape[2]
    chunk = min(CHUNK, p)
    count = -(-p // chunk)
    if extra := count * chunk - p:
        values = F.pad(values, (0, 0, 0, extra))
        places = torch.cat([places, places[:, -1:].expand(-1, extra)], 1)
    rows, at = values.unflatten(2, (count, chunk)), places.unflatten(1, (count, chunk))
    gaps = at[..., :, None] - at[..., None, :]  # (b, n, chunk, chunk), of row t since row s
    matrix = _decay(rates[:, None, None, None], gaps[:, None]).tril()  # (b, m, n, chunk, chunk)
    sums = matrix @ rows
    if count > 1:
        ends = at[:, :-1, -1]  # (b, n - 1)
        handed = _decayed_sums(sums[:, :, :-1, -1], ends, rates)
        since = _decay(rates[:, None, None], (at[:, 1:] - ends[..., None])[:, None])  # (b, m, n - 1, chunk)
        sums = sums + F.pad(since[..., None] * handed[..., None, :], (0, 0, 0, 0, 1, 0))
    return sums.flatten(2, 3)[:, :, :p]


def _decay(rates: torch.Tensor, gaps: torch.Tensor) -> torch.Tensor:
    """Return exp(-rate * gap); gaps against time, which nobody reads, count as none."""
    return torch.exp(-rates * gaps.clamp_min(0))
