"""Implicit long filters: a small sine network of the lag, under a decay window."""

import itertools
import math

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

KEPT = 4096
"""Up to so many lags the network's inner states are kept for the backward pass; those of more are worked out again."""


class ImplicitFilter(nn.Module):
    """Taps as a function of the absolute lag, so that a checkpoint runs at any length.

    taps(lag) = network(features(lag)) * (exp(-decay * lag) + shift). Lags are counted in tokens
    and scaled by `target_length`, never by the length at hand. Decays are log-spaced, with
    e-folds from 8 tokens to four times the target length.

    Args:
        channels: number of filters, d.
        target_length: tokens that the filter is meant to reach.
        hidden: width of the sine network.
        bands: sine/cosine features of the lag.
        frequency: first frequency w of the sine layers.
        shift: floor of the window.
    """

    def __init__(
        self,
        channels: int,
        target_length: int,
        hidden: int = 64,
        bands: int = 8,
        frequency: float = 10.0,
        shift: float = 0.0,
    ) -> None:
        super().__init__()
        self.target_length = target_length
        self.bands = bands
        self.shift = shift
        sizes = [1 + 2 * bands, hidden, hidden, hidden]
        self.layers = nn.ModuleList(nn.Linear(m, n) for m, n in itertools.pairwise(sizes))
        self.frequency = nn.Parameter(torch.full((hidden,), float(frequency)))
        self.out = nn.Linear(hidden, channels, bias=False)
        # Taps start as decaying noise whose energy does not grow with the target length.
        nn.init.normal_(self.out.weight, std=(hidden * 4) ** -0.5)

    def forward(self, length: int) -> torch.Tensor:
        """Return the taps of lags 0..length-1: (length, channels) float32."""
        if length > KEPT and torch.is_grad_enabled():
            return checkpoint(self._taps, length, use_reentrant=False, preserve_rng_state=False)
        return self._taps(length)

    def _taps(self, length: int) -> torch.Tensor:
        device = self.out.weight.device
        with torch.autocast(device.type, enabled=False):
            lag = torch.arange(length, device=device, dtype=torch.float32)
            scaled = lag / self.target_length
            angle = 2 * math.pi * scaled[:, None] * torch.arange(1, self.bands + 1, device=device)
            x = torch.cat([scaled[:, None], angle.sin(), angle.cos()], 1)  # (length, 1 + 2 bands)
            for layer in self.layers:
                x = torch.sin(self.frequency * layer(x))
            return self.out(x) * (torch.exp(-lag[:, None] * self.decay(device)) + self.shift)

    def decay(self, device: torch.device) -> torch.Tensor:
        """Return the decay rates per token: (channels,) float32, log-spaced."""
        channels = self.out.weight.shape[0]
        folds = torch.logspace(math.log10(8.0), math.log10(4.0 * self.target_length), channels, device=device)
        return 1.0 / folds
