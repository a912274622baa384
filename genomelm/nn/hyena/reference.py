"""Direct sums in float64: the oracles of the modal convolution and of the decay over bases."""

import torch


def modal_conv(
    signal: torch.Tensor, rates: torch.Tensor, amplitudes: torch.Tensor, lag_zero: bool = True
) -> torch.Tensor:
    """Return y[t] = sum over lags and poles of amplitude * exp(-rate * lag) * signal[t - lag], by the recurrence.

    Args:
        signal: (b, p, d).
        rates, amplitudes: (m, d).
        lag_zero: False leaves out lag 0.

    Returns:
        (b, p, d) float64.
    """
    signal, rates, amplitudes = signal.double(), rates.double(), amplitudes.double()
    state, rows = signal.new_zeros(len(signal), *rates.shape), []
    for row in signal.unbind(1):
        earlier = torch.exp(-rates) * state
        state = earlier + row[:, None]
        rows.append((amplitudes * (state if lag_zero else earlier)).sum(1))
    return torch.stack(rows, 1)


def distance_decay(
    values: torch.Tensor, places: torch.Tensor, rates: torch.Tensor, amplitude: torch.Tensor
) -> torch.Tensor:
    """Return y[t] = sum over s <= t and poles of amplitude * exp(-rate * (place[t] - place[s])) * value[s].

    Args:
        values: (b, p, d).
        places: (b, p).
        rates: (m,).
        amplitude: (m, d).

    Returns:
        (b, p, d) float64.
    """
    values, rates, amplitude = values.double(), rates.double(), amplitude.double()
    rows = []
    for t in range(values.shape[1]):
        gaps = (places[:, t, None] - places[:, : t + 1]).double()  # (b, t + 1)
        weight = torch.exp(-rates * gaps[..., None]) @ amplitude  # (b, t + 1, d)
        rows.append((weight * values[:, : t + 1]).sum(1))
    return torch.stack(rows, 1)
