"""A shift of 64 bits that is the same on every device."""

import torch


def shifted(z: torch.Tensor, by: int) -> torch.Tensor:
    """Shift int64 numbers (...), an array or a tensor, to the right by 1 to 63 bits, zeros first.

    XLA shifts by a division, which rounds negative numbers towards zero: no bit may be left to round.
    """
    return ((z & -(1 << by)) >> by) & ((1 << (64 - by)) - 1)
