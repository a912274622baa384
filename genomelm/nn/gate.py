"""Patch states scaled by a track of conservation."""

import torch
from torch import nn


class ConservationGate(nn.Module):
    """y * (1 + sigmoid(a c + b)), with a and b of each channel; y as it is where the track has no value."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.full((width,), -2.0))  # first factors are near that of a missing value

    def forward(self, y: torch.Tensor, track: torch.Tensor) -> torch.Tensor:
        """Map patch states (r, p, D) to (r, p, D); `track` (r, p) float32, NaN where there is no value."""
        track = track[..., None]
        factor = 1 + torch.sigmoid(self.slope * track.nan_to_num() + self.bias)
        return torch.where(track.isnan(), y, y * factor.to(y.dtype))
