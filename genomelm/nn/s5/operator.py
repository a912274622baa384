"""The operators around a state space: S5, and a gated feed-forward layer."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.nn.held import Shared
from genomelm.nn.rows import Rows
from genomelm.nn.s5.space import StateSpace


class S5State(NamedTuple):
    """What a causal operator keeps of the rows so far.

    Attributes:
        values: (b, n, 2) float32, real and imaginary parts.
        numbers: those of the state space (`StateSpace.numbers`).
    """

    values: torch.Tensor
    numbers: Shared


class _OverStateSpace(nn.Module):
    """What operators around a state space share: padding, decoding, dtypes.

    Attributes:
        ssm: the state space.
    """

    constant_state = True
    ssm: StateSpace

    def initial_state(self, batch: int) -> S5State:
        """Return the state before the first row.

        Raises:
            UsageError: the operator is bidirectional.
        """
        self._refuse_later_rows()
        frequency = self.ssm.frequency
        return S5State(frequency.new_zeros(batch, len(frequency), 2), Shared(self.ssm.numbers()))

    def _all(self, u: torch.Tensor, rows: Rows | None) -> torch.Tensor:
        """Return the state space's output (b, p, d) in u's dtype; padding enters as zero."""
        if rows is not None:
            u = u.masked_fill(~rows.present[..., None], 0)
        return self.ssm(u.float(), None, self._lengths(rows))[0].to(u.dtype)

    def _next(self, u: torch.Tensor, rows: Rows | None, state: S5State) -> tuple[torch.Tensor, S5State]:
        """Return the state space's output for the rows that follow, and the state after them."""
        self._refuse_later_rows()
        lengths = self._lengths(rows)
        if u.shape[1] == 1:
            of_row = None if lengths is None else lengths[:, 0]
            y, after = self.ssm.step(u[:, 0].float(), state.values, of_row, state.numbers.value)
            return y[:, None].to(u.dtype), S5State(after, state.numbers)
        y, after = self.ssm(u.float(), state.values, lengths)
        return y.to(u.dtype), S5State(after, state.numbers)

    def _lengths(self, rows: Rows | None) -> torch.Tensor | None:
        return rows.lengths if self.ssm.irregular else None

    def _refuse_later_rows(self) -> None:
        if self.ssm.out_ahead is not None:
            raise UsageError("this S5 operator is bidirectional and needs all rows at once: decode with a causal model")


class S5Operator(_OverStateSpace):
    """Mix rows by a state space, then y * sigmoid(W y) of its GELU.

    Args:
        width: d.
        state: real dimensions of the state, even; half as many complex ones are kept.
        target_length: rows that the memory is meant to reach; first steps are log-uniform from 2 / target_length.
        bidirectional: rows see later rows too.
        irregular: a row's step is proportional to its bases.
    """

    def __init__(
        self,
        width: int,
        state: int = 64,
        target_length: int = 128,
        bidirectional: bool = False,
        irregular: bool = False,
    ) -> None:
        super().__init__()
        self.ssm = StateSpace(width, state, target_length, bidirectional, irregular)
        self.gate = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, rows: Rows | None = None) -> torch.Tensor:
        """Mix along p.

        Args:
            x: (b, p, d).
            rows: geometry; padding enters as zero. None, for regular steps only, means no padding.

        Returns:
            (b, p, d) in x's dtype.
        """
        return self._gated(self._all(x, rows))

    def extend(self, x: torch.Tensor, rows: Rows | None, state: S5State) -> tuple[torch.Tensor, S5State]:
        """Mix rows that follow those behind `state`, each in time that does not grow with the rows before it.

        Args:
            x: (b, p, d), without padding.
            rows: geometry; read for irregular steps only.
            state: from `initial_state` or an earlier call.

        Returns:
            y: (b, p, d) in x's dtype.
            state: after the last row.

        Raises:
            UsageError: the operator is bidirectional.
        """
        y, state = self._next(x, rows, state)
        return self._gated(y), state

    def _gated(self, y: torch.Tensor) -> torch.Tensor:
        y = F.gelu(y)
        return y * torch.sigmoid(self.gate(y))


class GatedStateSpace(_OverStateSpace):
    """down(silu(gate(x)) * ssm(up(x))): a gated MLP whose value runs through a state space.

    Args:
        width: d.
        hidden: width of what runs through the state space.
        state, target_length, bidirectional, irregular: as of `S5Operator`.
    """

    def __init__(
        self, width: int, hidden: int, state: int, target_length: int, bidirectional: bool, irregular: bool
    ) -> None:
        super().__init__()
        self.ssm = StateSpace(hidden, state, target_length, bidirectional, irregular)
        self.up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        """Map (b, p, d) to (b, p, d) as `S5Operator` does."""
        gate, value = self.up(x).chunk(2, -1)
        return self.down(F.silu(gate) * self._all(value, rows))

    def extend(self, x: torch.Tensor, rows: Rows, state: S5State) -> tuple[torch.Tensor, S5State]:
        """Map rows that follow those behind `state`, as `S5Operator` does."""
        gate, value = self.up(x).chunk(2, -1)
        y, state = self._next(value, rows, state)
        return self.down(F.silu(gate) * y), state


def monitor(module: nn.Module) -> dict[str, float]:
    """Return what tells of an unstable or aliasing state space, over all those inside `module`.

    Returns:
        pole_radius: largest |exp(lambda step)|, below 1 where stable.
        shortest_step, longest_step.
        largest_turn: largest |Im lambda| step, radians; pi would alias.
        Empty where `module` has no state space.
    """
    spaces = [part for part in module.modules() if isinstance(part, StateSpace)]
    if not spaces:
        return {}
    with torch.no_grad():
        steps = torch.cat([space.exponents()[2] for space in spaces])
        radius, turn = torch.stack([exponents_of(space) for space in spaces]).amax(0)
        return {
            "pole_radius": float(radius),
            "shortest_step": float(steps.min()),
            "longest_step": float(steps.max()),
            "largest_turn": float(turn),
        }


def exponents_of(space: StateSpace) -> torch.Tensor:
    """Return the largest pole radius and turn (radians) of a state space: (2,) float64."""
    decay, turn, _ = space.exponents()
    return torch.stack([decay.exp().max(), turn.abs().max()])
