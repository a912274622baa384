"""Direct sum in float64: the oracle of the long convolution."""

import torch


def causal_conv(signal: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
    """Return y[b, t, c] = sum over lags s <= t of taps[s, c] * signal[b, t - s, c].

    Args:
        signal: (b, p, d).
        taps: (k, d), lag 0 first; lags past p are unused.

    Returns:
        (b, p, d) float64.
    """
    signal, taps = signal.double(), taps.double()
    rows = []
    for t in range(signal.shape[1]):
        lags = min(t + 1, taps.shape[0])
        past = signal[:, t - lags + 1 : t + 1].flip(1)  # lag 0 first
        rows.append((past * taps[:lags]).sum(1))
    return torch.stack(rows, 1) if rows else torch.zeros_like(signal)
