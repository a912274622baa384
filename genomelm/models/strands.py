"""The other strand of a padded batch: its ids, and where each of its bytes lies on this one."""

import functools

import numpy as np
import torch

from genomelm.seq.alphabet import BOS, VOCABULARY, reverse_complement_ids


def other_places(ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return the place of each byte on the other strand, int64 (b, l); it is its own inverse.

    A leading BOS and the padding, which stands at the right, stay where they are.

    Args:
        ids: (b, l) int64.
        mask: (b, l), 0 at padding; None means no padding.
    """
    here = torch.arange(ids.shape[1], device=ids.device).expand(ids.shape)
    first = (ids[:, :1] == BOS).long()  # (b, 1)
    end = first * 0 + ids.shape[1] if mask is None else mask.sum(1, keepdim=True)
    return torch.where((here >= first) & (here < end), first + end - 1 - here, here)


def turned_ids(ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return the ids (b, l) of the other strand, whose bytes lie at `places` (b, l)."""
    return torch.from_numpy(complements()).to(ids.device)[ids].gather(1, places)


def moved(values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return values (b, l, ...) in the order of the other strand, which is also the way back."""
    index = places.reshape(*places.shape, *[1] * (values.ndim - 2)).expand(values.shape)
    return values.gather(1, index)


@functools.cache
def complements() -> np.ndarray:
    """Return the complement of each id, int64 (v,); what is no base of DNA is its own, so that two of them undo."""
    own = np.arange(VOCABULARY)
    table = reverse_complement_ids(own)[::-1]
    return np.where(table[table] == own, table, own)
