"""Frames of neighbouring rows."""

import torch


def frames(x: torch.Tensor, dim: int, size: int, step: int) -> torch.Tensor:
    """Return frames of `size` rows of `dim`, every `step` rows, with the frame's rows as last dimension.

    That is `Tensor.unfold`. XLA has no such views, and torch_xla would work them out on the host, with a copy there and
    back: there the rows are taken by their numbers.
    """
    if x.device.type != "xla":
        return x.unfold(dim, size, step)
    first = torch.arange(0, x.shape[dim] - size + 1, step, device=x.device)
    rows = first[:, None] + torch.arange(size, device=x.device)
    dim = dim % x.dim()
    return x.index_select(dim, rows.flatten()).unflatten(dim, rows.shape).movedim(dim + 1, -1)
