"""The S5 operator: a diagonal state space, a GELU and a gate."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.nn.rows import Rows
from genomelm.nn.s5.initial import block_diagonal
from genomelm.nn.s5.portable import hold, powers, scan

LONGEST_STEP = 0.1
LARGEST_TURN = 0.9 * math.pi
"""Radians a step, below the pi at which a frequency would alias."""


class StateSpace(nn.Module):
    """y = 2 Re(C x) + D u over x[t] = exp(lambda step) x[t-1] + ((exp(lambda step) - 1) / lambda) B u[t].

    One of each conjugate pair of states is kept. The parameters are real and float32, and so is the
    state, whatever the autocast; the few numbers that all rows share are worked out in float64.

    The step is bound * sigmoid(log_step - log bound), with bound = min(0.1, 0.9 pi / |frequency|): it
    is exp(log_step) well below the bound, never passes it in training either, and log_step keeps a
    gradient everywhere.

    Bidirectional: a second scan runs from the end, with the same lambda, step and B and a C of its
    own. It counts from lag 1: lag 0 comes through the forward scan (and D) only.

    Attributes:
        log_decay: (n,) log(-Re lambda).
        frequency: (n,) Im lambda.
        log_step: (n,).
        into: (n, 2, d) B, real and imaginary part.
        out, out_ahead: (n, 2, d) C of the forward and of the reverse scan.
        skip: (d,) D.
    """

    def __init__(self, width: int, state: int, target_length: int, bidirectional: bool) -> None:
        super().__init__()
        if state < 2 or state % 2:
            raise UsageError(f"S5's state is {state}: its dimensions come in conjugate pairs, so give an even number")
        frequencies, vectors = block_diagonal(state)
        basis = torch.from_numpy(vectors)  # (state, n)
        self.log_decay = nn.Parameter(torch.full((state // 2,), math.log(0.5)))
        self.frequency = nn.Parameter(torch.from_numpy(frequencies).float())
        self.log_step = nn.Parameter(_first_log_step(self.frequency.detach(), target_length))
        self.into = nn.Parameter(_pairs(basis.conj().T @ _noise(state, width, width)))
        self.out = nn.Parameter(_pairs(basis.T @ _noise(state, width, state)))
        self.out_ahead = nn.Parameter(_pairs(basis.T @ _noise(state, width, state))) if bidirectional else None
        self.skip = nn.Parameter(torch.randn(width))

    def forward(self, u: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Run all rows at once.

        Args:
            u: (b, p, d) float32.
            state: (b, n, 2) float32 before row 0; None is zero.

        Returns:
            y: (b, p, d) float32.
            state: (b, n, 2) float32 after the last row, of the forward scan.
        """
        b, p, d = u.shape
        with torch.autocast(u.device.type, enabled=False):
            decay, turn, step = self.exponents()
            n = len(decay)
            flat = u.reshape(b * p, d)
            inputs = (self._held(decay, turn, step) @ flat.T).view(n, 2, b, p)
            first = inputs
            if state is not None:
                carried = _times(powers(decay, turn, 2)[..., 1, None], state.permute(1, 2, 0))  # (n, 2, b)
                first = torch.cat([inputs[..., :1] + carried[..., None], inputs[..., 1:]], -1)
            states = scan(first, decay, turn)
            y = torch.addcmul(_read(states, self.out), flat, self.skip)
            if self.out_ahead is not None:
                y = y + _read(scan(inputs, decay, turn, reverse=True) - inputs, self.out_ahead)
        return y.view(b, p, d), states[..., -1].permute(2, 0, 1)

    def step(self, u: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run one row: (b, d) and (b, n, 2) -> (b, d) and (b, n, 2), in time that does not grow with the row."""
        with torch.autocast(u.device.type, enabled=False):
            decay, turn, step = self.exponents()
            inputs = (self._held(decay, turn, step) @ u.T).view(len(decay), 2, -1)
            states = _times(powers(decay, turn, 2)[..., 1, None], state.permute(1, 2, 0)) + inputs
            return _read(states, self.out) + self.skip * u, states.permute(2, 0, 1)

    def exponents(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return Re(lambda) step, Im(lambda) step (radians) and step of every state: (n,) float64 each."""
        frequency = self.frequency.double()
        bound = _longest_step(frequency)
        step = bound * torch.sigmoid(self.log_step.double() - bound.log())
        return -self.log_decay.double().exp() * step, frequency * step, step

    def _held(self, decay: torch.Tensor, turn: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Return B under a zero-order hold: (2n, d) float32."""
        return _times(hold(decay, turn, step).float()[..., None], self.into).flatten(0, 1)


class S5Operator(nn.Module):
    """Mix rows by a state space, then y * sigmoid(W y) of its GELU.

    Args:
        width: d.
        state: real dimensions of the state, even; half as many complex ones are kept.
        target_length: rows that the memory is meant to reach; first steps are log-uniform from 2 / target_length.
        bidirectional: rows see later rows too.
    """

    def __init__(self, width: int, state: int = 64, target_length: int = 128, bidirectional: bool = False) -> None:
        super().__init__()
        self.ssm = StateSpace(width, state, target_length, bidirectional)
        self.gate = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, rows: Rows | None = None) -> torch.Tensor:
        """Mix along p.

        Args:
            x: (b, p, d).
            rows: geometry; padding enters as zero. None means no padding.

        Returns:
            (b, p, d) in x's dtype.
        """
        if rows is not None:
            x = x.masked_fill(~rows.present[..., None], 0)
        return self._gated(self.ssm(x.float())[0].to(x.dtype))

    def initial_state(self, batch: int) -> torch.Tensor:
        """Return the state before the first row: (b, n, 2) float32 zeros."""
        frequency = self.ssm.frequency
        return frequency.new_zeros(batch, len(frequency), 2)

    def extend(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mix rows that follow those behind `state`.

        Args:
            x: (b, p, d), without padding.
            state: (b, n, 2) float32, from `initial_state` or an earlier call.

        Returns:
            y: (b, p, d) in x's dtype.
            state: (b, n, 2) float32 after the last row.

        Raises:
            UsageError: the operator is bidirectional.
        """
        self._refuse_later_rows()
        y, state = self.ssm(x.float(), state)
        return self._gated(y.to(x.dtype)), state

    def step(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mix one row, (b, d), as `extend` does, in time that does not grow with the rows before it."""
        self._refuse_later_rows()
        y, state = self.ssm.step(x.float(), state)
        return self._gated(y.to(x.dtype)), state

    def _gated(self, y: torch.Tensor) -> torch.Tensor:
        y = F.gelu(y)
        return y * torch.sigmoid(self.gate(y))

    def _refuse_later_rows(self) -> None:
        if self.ssm.out_ahead is not None:
            raise UsageError("this S5 operator is bidirectional and needs all rows at once: decode with a causal model")


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
        decay, turn, step = (torch.cat(parts) for parts in zip(*(s.exponents() for s in spaces), strict=True))
        return {
            "pole_radius": float(decay.exp().max()),
            "shortest_step": float(step.min()),
            "longest_step": float(step.max()),
            "largest_turn": float(turn.abs().max()),
        }


def _longest_step(frequency: torch.Tensor) -> torch.Tensor:
    """Return min(0.1, 0.9 pi / |frequency|), without dividing by zero."""
    return LARGEST_TURN / frequency.abs().clamp_min(LARGEST_TURN / LONGEST_STEP)


def _first_log_step(frequency: torch.Tensor, target_length: int) -> torch.Tensor:
    """Draw steps log-uniform from 2 / target_length to their bounds; return log_step (n,) float32.

    A frequency whose bound is under twice that start draws from the upper half below its bound. All stay 1 %
    below, as log_step is infinite at the bound itself.
    """
    bound = _longest_step(frequency.double())
    least = (bound / 2).clamp_max(2 / target_length)
    step = (least.log() + torch.rand_like(bound) * (bound / least).log()).exp()
    share = (step / bound).clamp_max(0.99)
    return (bound.log() + torch.logit(share)).float()


def _noise(rows: int, columns: int, inputs: int) -> torch.Tensor:
    """Return normal numbers of variance 1 / inputs: (rows, columns) complex128 without imaginary part."""
    return (torch.randn(rows, columns, dtype=torch.float64) * inputs**-0.5).to(torch.complex128)


def _pairs(x: torch.Tensor) -> torch.Tensor:
    """Return real and imaginary part side by side: (n, d) complex -> (n, 2, d) float32."""
    return torch.stack([x.real, x.imag], 1).float()


def _times(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Multiply pairs: (n, 2, ...) by (n, 2, ...)."""
    return torch.stack([a[:, 0] * b[:, 0] - a[:, 1] * b[:, 1], a[:, 0] * b[:, 1] + a[:, 1] * b[:, 0]], 1)


def _read(states: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Return 2 Re(C x): states (n, 2, ...) and C (n, 2, d) -> (rows, d)."""
    factors = torch.stack([2 * out[:, 0], -2 * out[:, 1]], 1).flatten(0, 1)  # (2n, d)
    return states.reshape(len(factors), -1).T @ factors
