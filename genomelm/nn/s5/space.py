"""The diagonal state space: its parameters, their first values, and the scan over rows."""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from genomelm.errors import UsageError
from genomelm.nn.s5.initial import block_diagonal
from genomelm.nn.s5.irregular import per_row, scan_rows
from genomelm.nn.s5.portable import hold, powers
from genomelm.nn.s5.readout import read_out

LONGEST_STEP = 0.1
LARGEST_TURN = 0.9 * math.pi
"""Radians a step, below the pi at which a frequency would alias."""
MEAN_LENGTH = 8
"""Bases of a patch that takes one step."""
MOST_BASES = 64
"""Patches of more bases take the step of so many."""


class StateSpace(nn.Module):
    """y = 2 Re(C x) + D u over x[t] = exp(lambda step) x[t-1] + ((exp(lambda step) - 1) / lambda) B u[t].

    One of each conjugate pair of states is kept. The parameters are real and float32, and so is the
    state, whatever the autocast; the few numbers that all rows share are worked out in float64.

    The step is bound * sigmoid(log_step - log bound), with bound = min(0.1, 0.9 pi / |frequency|): it
    is exp(log_step) well below the bound, never passes it in training either, and log_step keeps a
    gradient everywhere.

    Irregular: a row's step is step * length / 8, up to the bound, as a longer patch is a longer time.

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

    def __init__(
        self, width: int, state: int, target_length: int, bidirectional: bool, irregular: bool = False
    ) -> None:
        super().__init__()
        if state < 2 or state % 2:
            raise UsageError(f"S5's state is {state}: its dimensions come in conjugate pairs, so give an even number")
        frequencies, vectors = block_diagonal(state)
        basis = torch.from_numpy(vectors)  # (state, n)
        self.irregular = irregular
        self.log_decay = nn.Parameter(torch.full((state // 2,), math.log(0.5)))
        self.frequency = nn.Parameter(torch.from_numpy(frequencies).float())
        self.log_step = nn.Parameter(_first_log_step(self.frequency.detach(), target_length))
        self.into = nn.Parameter(_pairs(basis.conj().T @ _noise(state, width, width)))
        self.out = nn.Parameter(_pairs(basis.T @ _noise(state, width, state)))
        self.out_ahead = nn.Parameter(_pairs(basis.T @ _noise(state, width, state))) if bidirectional else None
        self.skip = nn.Parameter(torch.randn(width))

    def forward(
        self, u: torch.Tensor, state: torch.Tensor | None = None, lengths: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run all rows at once.

        Args:
            u: (b, p, d) float32.
            state: (b, n, 2) float32 before row 0; None is zero.
            lengths: (b, p) int64, bases of each row, for irregular steps; at 0 the state stays as it is.

        Returns:
            y: (b, p, d) float32.
            state: (b, n, 2) float32 after the last row, of the forward scan.
        """
        with torch.autocast(u.device.type, enabled=False):
            # XLA would merge what is done twice; torch_xla has no such checkpoints.
            if self.irregular and torch.is_grad_enabled() and u.device.type != "xla":
                y, after = checkpoint(
                    self._by_lengths, u, state, lengths, use_reentrant=False, preserve_rng_state=False
                )
            elif self.irregular:
                y, after = self._by_lengths(u, state, lengths)
            else:
                decay, turn, step = self.exponents()
                carry = None
                if state is not None:
                    carry = _times(powers(decay, turn, 2)[..., 1, None], state.permute(1, 2, 0))  # (n, 2, b)
                ahead = None if self.out_ahead is None else _reader(self.out_ahead)
                into = self._held(decay, turn, step)
                y, after = read_out(u, into, decay, turn, _reader(self.out), ahead, carry)
            return torch.addcmul(y, u, self.skip), after.permute(2, 0, 1)

    def numbers(self) -> "Numbers":
        """Return what all steps of single rows share; it follows from the weights, which must stay as they are."""
        with torch.autocast(self.skip.device.type, enabled=False):
            step, bound = self._step()
            if not self.irregular:
                decay, turn, _ = self.exponents()
                factors = _straight_and_crossed(powers(decay, turn, 2)[..., 1])
                return Numbers(self._held(decay, turn, step), _reader(self.out), factors, None)
            decay, turn, held = self._tables(step, bound)
            size = decay.exp()
            power = torch.stack([size * turn.cos(), size * turn.sin()], -1).float().transpose(0, 1)
            held = _straight_and_crossed(held.permute(2, 1, 0))
            return Numbers(self.into.flatten(0, 1), _reader(self.out), _straight_and_crossed(power), held)

    def step(
        self,
        u: torch.Tensor,
        state: torch.Tensor,
        lengths: torch.Tensor | None = None,
        numbers: "Numbers | None" = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Run one row: (b, d), (b, n, 2) and lengths (b,) -> (b, d) and (b, n, 2), in time that does not grow.

        `numbers` are those of `self.numbers()`; None: they are worked out.
        """
        with torch.autocast(u.device.type, enabled=False):
            into, reader, power, held = self.numbers() if numbers is None else numbers
            inputs = (u @ into.T).unflatten(1, (-1, 2))
            if held is not None:
                at = lengths.clamp_max(MOST_BASES)
                power, held = power[:, at], held[:, at]
                inputs = inputs * held[0] + inputs.flip(-1) * held[1]
            after = torch.addcmul(torch.addcmul(inputs, state, power[0]), state.flip(-1), power[1])
            return torch.addcmul(after.flatten(1) @ reader, u, self.skip), after

    def exponents(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return Re(lambda) step, Im(lambda) step (radians) and step of every state: (n,) float64 each.

        Irregular: of a patch of eight bases.
        """
        step = self._step()[0]
        return -self.log_decay.double().exp() * step, self.frequency.double() * step, step

    def _step(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return step and bound of every state: (n,) float64 each."""
        bound = _longest_step(self.frequency.double())
        return bound * torch.sigmoid(self.log_step.double() - bound.log()), bound

    def _held(self, decay: torch.Tensor, turn: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        """Return B under a zero-order hold: (2n, d) float32."""
        return _times(hold(decay, turn, step).float()[..., None], self.into).flatten(0, 1)

    def _tables(self, step: torch.Tensor, bound: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return exponents of each length of a patch, (n, lengths) float64, and its holds, (2, n, lengths) float32."""
        share = torch.arange(MOST_BASES + 1, device=step.device)[:, None] / MEAN_LENGTH  # (lengths, 1)
        step = torch.minimum(step * share, bound).T  # (n, lengths)
        decay, turn = -self.log_decay.double().exp()[:, None] * step, self.frequency.double()[:, None] * step
        held = hold(decay[:, 1:].flatten(), turn[:, 1:].flatten(), step[:, 1:].flatten()).float()
        return decay, turn, torch.nn.functional.pad(held.T.unflatten(1, (len(decay), -1)), (1, 0))

    def _by_lengths(
        self, u: torch.Tensor, state: torch.Tensor | None, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return 2 Re(C x) (b, p, d) and the last states (n, 2, b), with a step for each row's length."""
        b, p, d = u.shape
        decay, turn, held = self._tables(*self._step())
        decay, turn, real, imaginary = (per_row(table, lengths) for table in (decay, turn, *held))  # (n, b, p)
        inputs = (self.into.flatten(0, 1) @ u.reshape(b * p, d).T).view(-1, 2, b, p)
        inputs = _times(torch.stack([real, imaginary], 1), inputs)
        states = scan_rows(inputs, decay, turn, None if state is None else state.permute(1, 2, 0))
        y = states.flatten(0, 1).flatten(1).T @ _reader(self.out)
        if self.out_ahead is not None:
            later = scan_rows(inputs.flip(-1), decay.flip(-1), turn.flip(-1)).flip(-1) - inputs
            y = y + later.flatten(0, 1).flatten(1).T @ _reader(self.out_ahead)
        return y.view(b, p, d), states[..., -1]


class Numbers(NamedTuple):
    """What steps of single rows share.

    Attributes:
        into: (2n, d), B, regular steps: under the hold.
        reader: (2n, d), for 2 Re(C x).
        power: exp(lambda step), (2, n, 2), irregular steps: (2, lengths, n, 2): what is multiplied by a pair of real
            and imaginary part, and by that pair turned round.
        held: likewise the hold's factors of the input, (2, lengths, n, 2); None: regular steps.
    """

    into: torch.Tensor
    reader: torch.Tensor
    power: torch.Tensor
    held: torch.Tensor | None


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


def _straight_and_crossed(x: torch.Tensor) -> torch.Tensor:
    """Return what a pair, and the pair turned round, are multiplied by for a product by x: (..., 2) -> (2, ..., 2)."""
    real, imaginary = x.unbind(-1)
    return torch.stack([torch.stack([real, real], -1), torch.stack([-imaginary, imaginary], -1)])


def _reader(out: torch.Tensor) -> torch.Tensor:
    """Return what a pair of states is multiplied by for 2 Re(C x): C (n, 2, d) -> (2n, d)."""
    return torch.stack([2 * out[:, 0], -2 * out[:, 1]], 1).flatten(0, 1)
