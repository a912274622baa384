"""Long convolution whose taps are sums of real poles: by a kernel of its own (CUDA) or in plain torch.

In plain torch it is products of matrices inside chunks and a state between them.
"""

import importlib.util

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.nn.frames import frames

TRITON = importlib.util.find_spec("triton") is not None
MOST_POLES = 32
"""Of the kernel, which holds a channel's poles in the registers of one thread."""
CHUNK = 64
"""Rows of a chunk in plain torch."""
GROUP = 16
"""Chunks that one product passes the state through."""


class ModalFilter(nn.Module):
    """taps[lag] = sum over poles of amplitude * exp(-rate * lag), with all rates above 0.

    First e-folds are log-spaced over a channel's poles, from 8 tokens to four times the target length, and shifted a
    little from channel to channel. First taps have about unit energy, whatever the target.

    Args:
        channels: d.
        target_length: tokens that the filter is meant to reach.
        poles: m.

    Attributes:
        raw_rate: (m, d); the rate is its softplus.
        amplitude: (m, d).
    """

    def __init__(self, channels: int, target_length: int, poles: int = 16) -> None:
        super().__init__()
        shift = (torch.arange(channels) + 0.5) / channels
        share = (torch.arange(poles)[:, None] + shift) / poles
        rate = 1 / (8.0 * (0.5 * max(target_length, 8)) ** share)  # 8 to 4 * target
        self.raw_rate = nn.Parameter(torch.log(torch.expm1(rate)))
        self.amplitude = nn.Parameter(torch.randn(poles, channels) * (-torch.expm1(-2 * rate) / poles).sqrt())

    def forward(self, length: int) -> torch.Tensor:
        """Return rates and amplitudes: (2, m, d) float32, whatever the length."""
        return torch.stack([F.softplus(self.raw_rate.float()), self.amplitude.float()])


def modal_conv(
    signal: torch.Tensor,
    rates: torch.Tensor,
    amplitudes: torch.Tensor,
    lag_zero: bool = True,
    reverse: bool = False,
) -> torch.Tensor:
    """Convolve with taps[lag] = sum over poles of amplitude * exp(-rate * lag), exactly and in linear time.

    Args:
        signal: (b, p, d), p >= 1, any float dtype.
        rates: (m, d) > 0, per row.
        amplitudes: (m, d).
        lag_zero: False leaves out lag 0.
        reverse: lags count ahead: row t sees itself and later rows.

    Returns:
        (b, p, d) in the signal's dtype; sums over rows are float32 whatever the autocast, and in plain torch the
        products inside a chunk run in the signal's dtype.
    """
    with torch.autocast(signal.device.type, enabled=False):
        rates, amplitudes = rates.float(), amplitudes.float()
        if path_of(signal, len(rates)) == "triton":
            from genomelm.nn.hyena.modal_kernel import Modal

            return Modal.apply(signal, rates, amplitudes, lag_zero, reverse)
        if reverse:
            return by_chunks(signal.flip(1), rates, amplitudes, None, lag_zero)[0].flip(1)
        return by_chunks(signal, rates, amplitudes, None, lag_zero)[0]


def modal_extend(
    signal: torch.Tensor, rates: torch.Tensor, amplitudes: torch.Tensor, state: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Convolve, as `modal_conv` does, rows that follow others.

    Args:
        signal: (b, p, d), p >= 1.
        rates, amplitudes: (m, d).
        state: (b, d, m) float32 before row 0: each pole's sum of exp(-rate * lag) * signal.

    Returns:
        y: (b, p, d) in the signal's dtype.
        state: (b, d, m) float32 after the last row.
    """
    given = (signal, rates, amplitudes, state)
    with torch.autocast(signal.device.type, enabled=False):
        rates, amplitudes = rates.float(), amplitudes.float()
        # The kernel's gradient knows no states; nobody trains through them.
        if path_of(signal, len(rates)) == "triton" and not (
            torch.is_grad_enabled() and any(x.requires_grad for x in given)
        ):
            from genomelm.nn.hyena.modal_kernel import continued

            return continued(signal, rates, amplitudes, state)
        return by_chunks(signal, rates, amplitudes, state)


def path_of(signal: torch.Tensor, poles: int) -> str:
    """Return which form convolves: "triton" on CUDA where Triton is installed (not in float64 nor for more than
    MOST_POLES), else "chunks"."""
    fits = signal.is_cuda and poles <= MOST_POLES and signal.dtype in (torch.float32, torch.bfloat16, torch.float16)
    return "triton" if fits and TRITON else "chunks"


def modal_step(
    signal: torch.Tensor, rates: torch.Tensor, amplitudes: torch.Tensor, state: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `modal_conv` for one row: (b, d), (m, d), (m, d), (b, d, m) -> (b, d) and (b, d, m)."""
    with torch.autocast(signal.device.type, enabled=False):
        after = torch.addcmul(signal.float()[..., None], state, torch.exp(-rates.float().T))
        return (after * amplitudes.float().T).sum(-1).to(signal.dtype), after


def by_chunks(
    signal: torch.Tensor,
    rates: torch.Tensor,
    amplitudes: torch.Tensor,
    state: torch.Tensor | None,
    lag_zero: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Do as `modal_extend`, in plain torch; a state of None is zero, and lag 0 may be left out."""
    b, p, d = signal.shape
    chunk = min(CHUNK, p)
    count = -(-p // chunk)
    rows = F.pad(signal, (0, 0, 0, count * chunk - p)).view(b, count, chunk, d).permute(3, 0, 1, 2)
    rows = rows.reshape(d, b * count, chunk)
    powers = torch.exp(-rates.T[..., None] * torch.arange(chunk + 1, device=signal.device))  # (d, m, chunk + 1)
    weighted = amplitudes.T[..., None] * powers
    lags = weighted[..., :chunk].sum(1)  # (d, chunk)
    if not lag_zero:
        lags = F.pad(lags[:, 1:], (1, 0))
    y = rows @ _lower(lags).to(rows.dtype)
    gather = powers[..., :chunk].flip(-1).transpose(1, 2).to(rows.dtype)  # (d, chunk, m)
    sums = (rows @ gather).float().view(d, b, count, -1)
    before = sums.new_zeros(d, b, 1, sums.shape[-1]) if state is None else state.float().transpose(0, 1)[:, :, None]
    handed = torch.cat([before, sums[:, :, :-1]], 2).permute(0, 3, 1, 2).flatten(0, 1)  # (d * m, b, n)
    carried = _pass_on(handed, rates.T.reshape(-1) * chunk).unflatten(0, (d, -1)).permute(0, 2, 3, 1)  # (d, b, n, m)
    y = torch.baddbmm(y, carried.reshape(d, b * count, -1).to(rows.dtype), weighted[..., 1:].to(rows.dtype))
    last = p - (count - 1) * chunk
    final = rows.view(d, b, count, chunk)[:, :, -1, :last] @ gather[:, chunk - last :]  # (d, b, m)
    final = final.float() + carried[:, :, -1] * powers[..., last][:, None]
    return y.view(d, b, count * chunk)[..., :p].permute(1, 2, 0), final.transpose(0, 1)


def _pass_on(handed: torch.Tensor, rates: torch.Tensor) -> torch.Tensor:
    """Run x[j] = exp(-rate) x[j-1] + handed[j] by groups, and groups of groups: (k, b, n) and (k,) -> (k, b, n)."""
    k, b, count = handed.shape
    if count == 1:
        return handed
    group = min(GROUP, count)
    groups = -(-count // group)
    powers = torch.exp(-rates[:, None] * torch.arange(group + 1, device=rates.device))  # (k, group + 1)
    rows = F.pad(handed, (0, groups * group - count)).reshape(k, b * groups, group)
    y = (rows @ _lower(powers[:, :group])).view(k, b, groups, group)
    if groups > 1:
        before = _pass_on(F.pad(y[:, :, :-1, -1], (1, 0)), rates * group)
        y = y + before[..., None] * powers[:, None, None, 1:]
    return y.reshape(k, b, groups * group)[..., :count]


def _lower(lags: torch.Tensor) -> torch.Tensor:
    """Return matrices whose entry (s, t) is lags[t - s], and zero where t < s: (k, size) -> (k, size, size)."""
    size = lags.shape[-1]
    return frames(F.pad(lags, (size - 1, 0)), -1, size, 1).flip(-2)
