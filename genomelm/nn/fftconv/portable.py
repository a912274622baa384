"""Zero-padded FFT convolution in plain torch, float32 whatever the autocast."""

import torch


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
    return _convolve(signal, taps[:length], _fft_size(2 * length))


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
    size = _fft_size(2 * length)
    behind, ahead = taps[:length].float(), back_taps[1:length].float().flip(0)
    gap = behind.new_zeros(size - behind.shape[0] - ahead.shape[0], behind.shape[1])
    return _convolve(signal, torch.cat([behind, gap, ahead]), size)


def _convolve(signal: torch.Tensor, taps: torch.Tensor, size: int) -> torch.Tensor:
    """Multiply spectra of `size` points: (b, p, d) by (k <= size, d) -> (b, p, d)."""
    with torch.autocast(signal.device.type, enabled=False):
        wave = torch.fft.rfft(signal.float().transpose(1, 2), n=size)  # (b, d, size/2+1)
        kernel = torch.fft.rfft(taps.float().transpose(0, 1), n=size)  # (d, size/2+1)
        y = torch.fft.irfft(wave * kernel, n=size)[..., : signal.shape[1]]  # (b, d, p)
    return y.transpose(1, 2).to(signal.dtype)


def _fft_size(least: int) -> int:
    """Return the smallest 2^a or 3*2^a that is >= `least`: sizes that every FFT library does fast."""
    power = 1 << (least - 1).bit_length()
    return 3 * power // 4 if 3 * power // 4 >= least else power
