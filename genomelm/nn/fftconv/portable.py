"""Zero-padded FFT convolution in plain torch, float32 whatever the autocast.

The backward pass keeps the signal and the taps, and works out their spectra again: a spectrum of the padded signal
takes as much memory as two to four signals.
"""

import torch
from torch.autograd.function import once_differentiable

BLOCK = 1 << 25
"""Points of padded signal that are transformed at a time; more are done by blocks of channels, in bounded memory."""


def causal_conv(signal: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Convolve along time without wrap-around: row t sees rows 0..t only.

    The signal is padded to at least twice its length, so that the circular product of the FFT
    is the linear one. The sum runs in float32: bf16 spectra lose the small late taps.

    Args:
        signal: (b, p, d), any float dtype.
        taps: (k, d), lag 0 first; lags past p are cut.

    Returns:
        (b, p, d) in the signal's dtype.
    """
    length = signal.shape[1]
    if length == 0:
        return signal
    return _Convolution.apply(signal, taps[:length], None, fft_size(2 * length), 0)


def two_sided_conv(signal: torch.Tensor, taps: torch.Tensor, back_taps: torch.Tensor) -> torch.Tensor:
    """Convolve along time in both directions: `taps` reach back, `back_taps` reach ahead.

    y[t] = sum over s >= 0 of taps[s] * signal[t - s], plus the sum over s >= 1 of
    back_taps[s] * signal[t + s]. Lag 0 belongs to `taps`; row 0 of `back_taps` is not read. The
    reversed filter lies at the negative lags of the FFT's period, so one transform gives the
    spectrum K1 + conj(K2).

    Args:
        signal: (b, p, d), any float dtype.
        taps: (k, d), lag 0 first; lags past p are cut.
        back_taps: (k', d), lag 0 first; lags past p are cut.

    Returns:
        (b, p, d) in the signal's dtype.
    """
    length = signal.shape[1]
    if length == 0:
        return signal
    return _Convolution.apply(signal, taps[:length], back_taps[1:length], fft_size(2 * length), 0)


def extended_conv(signal: torch.Tensor, past: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Return the rows of `causal_conv` that stand at `signal`, where `past` stands before it.

    Args:
        signal: (b, k, d), k >= 1, any float dtype.
        past: (b, h, d), h >= 0.
        taps: (h', d), lag 0 first; lags past h + k are cut.

    Returns:
        (b, k, d) in the signal's dtype. One row is a direct sum, O(h d).
    """
    rows, before = signal.shape[1], past.shape[1]
    taps = taps[: before + rows]
    whole = torch.cat([past, signal.to(past.dtype)], 1)
    if rows == 1:
        reached = whole[:, whole.shape[1] - taps.shape[0] :].float()
        return (reached * taps.float().flip(0)).sum(1, keepdim=True).to(signal.dtype)
    # What wraps around the end of the period falls on rows of the past, which are not read.
    return _Convolution.apply(whole, taps, None, fft_size(before + 2 * rows), before).to(signal.dtype)


class _Convolution(torch.autograd.Function):
    """Rows `first`.. of the convolution by taps at lags 0, 1, .. and `ahead` at lags -1, -2, .. of a period `size`."""

    @staticmethod
    def forward(ctx, signal, taps, ahead, size, first):
        ctx.save_for_backward(signal, taps, ahead)
        ctx.layout = size, first
        parts = []
        with torch.autocast(signal.device.type, enabled=False):
            for block in _blocks(signal, size):
                product = _spectrum(signal[..., block], size).mul_(_kernel(taps, ahead, size, block))
                parts.append(_rows(product, size, first, signal))
        return torch.cat(parts, -1) if len(parts) > 1 else parts[0]

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        signal, taps, ahead = ctx.saved_tensors
        size, first = ctx.layout
        of_signal, of_taps, of_ahead = [], torch.empty_like(taps), None if ahead is None else torch.empty_like(ahead)
        with torch.autocast(signal.device.type, enabled=False):
            for block in _blocks(signal, size):
                upstream = _spectrum(gradient[..., block], size, first)
                product = _spectrum(signal[..., block], size).conj_physical_().mul_(upstream).sum(0)
                lags = torch.fft.irfft(product, n=size).transpose(0, 1)  # (size, block)
                of_taps[:, block] = lags[: taps.shape[0]]
                if ahead is not None:
                    of_ahead[:, block] = lags[size - ahead.shape[0] :].flip(0)
                product = upstream.mul_(_kernel(taps, ahead, size, block).conj_physical_())
                of_signal.append(_rows(product, size, 0, signal))
        of_signal = torch.cat(of_signal, -1) if len(of_signal) > 1 else of_signal[0]
        return of_signal, of_taps, of_ahead, None, None


def _blocks(signal: torch.Tensor, size: int) -> list[slice]:
    """Return slices of channels whose padded signal has at most BLOCK points (or one channel)."""
    width = max(1, BLOCK // (signal.shape[0] * size))
    return [slice(first, first + width) for first in range(0, signal.shape[2], width)]


def _spectrum(signal: torch.Tensor, size: int, first: int = 0) -> torch.Tensor:
    """Return the spectrum of (b, p, d) that starts at row `first` of its period: (b, d, size / 2 + 1)."""
    rows = signal.float().transpose(1, 2)
    return torch.fft.rfft(torch.nn.functional.pad(rows, (first, 0)) if first else rows, n=size)


def _rows(product: torch.Tensor, size: int, first: int, signal: torch.Tensor) -> torch.Tensor:
    """Return rows `first`.. of what has the spectrum (b, d, size / 2 + 1), as many as the signal has and in its dtype:
    (b, p - first, d)."""
    return torch.fft.irfft(product, n=size)[..., first : signal.shape[1]].transpose(1, 2).to(signal.dtype)


def _kernel(taps: torch.Tensor, ahead: torch.Tensor | None, size: int, block: slice) -> torch.Tensor:
    """Return the spectrum of the taps (k, d) and, at the end of the period, of those ahead: (block, size / 2 + 1)."""
    rows = taps[:, block].float()
    if ahead is not None:
        later = ahead[:, block].float().flip(0)
        rows = torch.cat([rows, rows.new_zeros(size - len(rows) - len(later), rows.shape[1]), later])
    return torch.fft.rfft(rows.transpose(0, 1), n=size)


def fft_size(least: int) -> int:
    """Return the smallest 2^a or 3*2^a that is >= `least`: sizes that every FFT library does fast."""
    power = 1 << (least - 1).bit_length()
    return 3 * power // 4 if 3 * power // 4 >= least else power
