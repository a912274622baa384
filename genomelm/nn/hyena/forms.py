"""How each kind of filter is convolved: all rows at once, on both sides, and continued from a state.

A filter is what its module returns, with channels last: taps (k, d), lag 0 first, or rates and amplitudes (2, m, d).
"""

import numpy as np
import torch

from genomelm.nn.fftconv import causal_conv, extended_conv, two_sided_conv
from genomelm.nn.history import History
from genomelm.nn.hyena.explicit import explicit_conv
from genomelm.nn.hyena.modal import modal_conv, modal_extend, modal_step


class ImplicitForm:
    """Taps at all lags, by FFT. Its state is the history, which grows."""

    constant_state = False

    def convolve(self, value: torch.Tensor, behind: torch.Tensor, ahead: torch.Tensor | None) -> torch.Tensor:
        """Convolve (b, p, d); `ahead` is the filter of later rows, whose lag 0 is not counted."""
        return causal_conv(value, behind) if ahead is None else two_sided_conv(value, behind, ahead)

    def initial_state(self, value: torch.Tensor, behind: torch.Tensor) -> History:
        """Return the state before the first row, for rows like those of value (b, 0, d)."""
        return History.empty(value)

    def extend(self, value: torch.Tensor, behind: torch.Tensor, state: History) -> tuple[torch.Tensor, History]:
        """Convolve (b, k, d) after the rows behind `state`; return it and the next state."""
        after = state.written(value)
        if value.shape[1] > 1:
            return extended_conv(value, *state.rows(), behind), after
        (rows,) = after.rows()
        if after.is_even:
            taps = behind[: after.longest].float().flip(0)
        else:
            lag = torch.from_numpy(after.count[:, None] - 1 - np.arange(after.longest)).to(value.device)
            taps = behind[lag.clamp_min(0)].float().masked_fill(lag[..., None] < 0, 0)  # (b, p, d)
            rows = rows.masked_fill(lag[..., None] < 0, 0)
        return (rows.float() * taps).sum(1, keepdim=True).to(value.dtype), after


class ExplicitForm:
    """Few taps. Its state is as many rows as they reach back."""

    constant_state = True

    def convolve(self, value: torch.Tensor, behind: torch.Tensor, ahead: torch.Tensor | None) -> torch.Tensor:
        """As ImplicitForm."""
        if ahead is None:
            return explicit_conv(value, behind, len(behind) - 1, 0)
        return explicit_conv(value, torch.cat([ahead[1:].flip(0), behind]), len(behind) - 1, len(ahead) - 1)

    def initial_state(self, value: torch.Tensor, behind: torch.Tensor) -> torch.Tensor:
        """Return the state before the first row, for rows like those of value (b, 0, d): (b, k - 1, d) zeros."""
        return value.new_zeros(len(value), len(behind) - 1, value.shape[2])

    def extend(
        self, value: torch.Tensor, behind: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As ImplicitForm."""
        rows = torch.cat([state, value], 1)
        return explicit_conv(rows, behind, 0, 0), rows[:, value.shape[1] :].clone()


class ModalForm:
    """Sums of real poles. Its state is one number a pole."""

    constant_state = True

    def convolve(self, value: torch.Tensor, behind: torch.Tensor, ahead: torch.Tensor | None) -> torch.Tensor:
        """As ImplicitForm."""
        y = modal_conv(value, *behind)
        return y if ahead is None else y + modal_conv(value, *ahead, lag_zero=False, reverse=True)

    def initial_state(self, value: torch.Tensor, behind: torch.Tensor) -> torch.Tensor:
        """As ExplicitForm: (b, d, m) float32 zeros."""
        return value.new_zeros(len(value), value.shape[2], behind.shape[1], dtype=torch.float32)

    def extend(
        self, value: torch.Tensor, behind: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As ImplicitForm."""
        if value.shape[1] == 1:
            y, after = modal_step(value[:, 0], *behind, state)
            return y[:, None], after
        return modal_extend(value, *behind, state)


FORMS = {"short": ExplicitForm(), "medium": ExplicitForm(), "implicit": ImplicitForm(), "modal": ModalForm()}
"""Kind of filter -> how it is convolved."""
