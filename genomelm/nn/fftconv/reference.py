"""Direct sums in float64: the oracles of the long convolutions."""

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


def two_sided_conv(signal: torch.Tensor, taps: torch.Tensor, back_taps: torch.Tensor) -> torch.Tensor:
    """Return causal_conv plus y[b, t, c] = sum over lags s >= 1 of back_taps[s, c] * signal[b, t + s, c].

    Args:
        signal: (b, p, d).
        taps: (k, d), lag 0 first; lags past p are unused.
        back_taps: (k', d), lag 0 first; row 0 and lags past p are unused.

    Returns:
        (b, p, d) float64.
    """
    signal, ahead = signal.double(), back_taps.double()[1:]
    rows = []
    for t in range(signal.shape[1]):
        later = signal[:, t + 1 : t + 1 + ahead.shape[0]]  # lag 1 first
        rows.append((later * ahead[: later.shape[1]]).sum(1))
    return causal_conv(signal, taps) + (torch.stack(rows, 1) if rows else 0)
