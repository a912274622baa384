"""Where a byte or a patch lies: rotary angles by base coordinate, sines, and phases of DNA's periods."""

import math

import torch

from genomelm.nn.rotary import turned

PERIODS = (3.0, 8.0, 10.5, 21.0, 147.0)
"""Bases: codon, patch, helix turn, two helix turns, nucleosome."""

CIRCLE = 1176
"""Bases after which all periods begin anew together."""


def phase_features(coordinates: torch.Tensor) -> torch.Tensor:
    """Return sine and cosine of each coordinate at each of PERIODS.

    Args:
        coordinates: (...,) int64, bases from the window's start.

    Returns:
        (..., 2 * len(PERIODS)) float32. The remainder is taken in float64, where it is exact, so
        far coordinates keep their phase.
    """
    periods = torch.tensor(PERIODS, dtype=torch.float64, device=coordinates.device)
    turns = torch.remainder(coordinates[..., None].double(), periods) / periods
    angle = (2 * math.pi * turns).float()
    return torch.cat([angle.sin(), angle.cos()], -1)


def rotate(x: torch.Tensor, coordinates: torch.Tensor, base: float | None) -> torch.Tensor:
    """Rotate pairs of channels by the base coordinate (rotary encoding, Su et al. 2021, arXiv:2104.09864).

    Args:
        x: (..., h, d) queries or keys, d even.
        coordinates: (...,) int64, bases from the window's start; leading dimensions may be left out where all of
            x's rows share them.
        base: frequency base, at least 4 * target length / (2 pi); None: x as it is.

    Returns:
        (..., h, d), same dtype. Inner products depend on coordinate differences only.
    """
    if base is None:
        return x
    return turned(x, *turn_of(coordinates, x.shape[-1] // 2, base))


def turn_of(coordinates: torch.Tensor, count: int, base: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosine and sine (..., count) float32 of the rotary angles at coordinates (...,) int64."""
    angle = angles(coordinates, rates(count, base, coordinates.device))
    return angle.cos(), angle.sin()


def sinusoids(coordinates: torch.Tensor, width: int, base: float) -> torch.Tensor:
    """Return sines and cosines of each coordinate, to be added (Vaswani et al. 2017, arXiv:1706.03762).

    Args:
        coordinates: (...,) int64, bases from the window's start.
        width: d, even.
        base: frequency base, at least 4 * target length / (2 pi).

    Returns:
        (..., d) float32.
    """
    angle = angles(coordinates, rates(width // 2, base, coordinates.device))
    return torch.cat([angle.sin(), angle.cos()], -1)


def rates(count: int, base: float, device: torch.device) -> torch.Tensor:
    """Return what rotary angles grow by a base: (count,) float64, radians."""
    return base ** (-torch.arange(count, dtype=torch.float64, device=device) / count)


def angles(coordinates: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """Return each coordinate's angle at each of the rates: (..., count) float32, reduced in float64."""
    return torch.remainder(coordinates[..., None].double() * rate, 2 * math.pi).float()
