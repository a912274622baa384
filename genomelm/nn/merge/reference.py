"""Loops in float64: the oracles of merging."""

from collections.abc import Callable

import torch


def boundary_probability(
    x: torch.Tensor,
    query: torch.Tensor,
    key: torch.Tensor,
    taps: torch.Tensor | None,
    bias: torch.Tensor,
) -> torch.Tensor:
    """Return the probability of a boundary at each row, 1 at the first.

    Args:
        x: (p, d).
        query, key: (k, d).
        taps: (n,) of the pattern detector, lag 0 first; None: no detector.
        bias: (1,), in logits.

    Returns:
        (p,) float64.
    """
    x = x.double()
    logits, out = [x.new_zeros(())], [x.new_ones(())]
    for t in range(1, len(x)):
        q, k = query.double() @ x[t], key.double() @ x[t - 1]
        cosine = (q @ k) / (q.norm() * k.norm())
        chance = (1 - cosine) / 2
        logits.append(torch.log(chance / (1 - chance)) + bias[0].double())
        pattern = x.new_zeros(())
        if taps is not None:
            pattern = sum(taps[lag].double() * logits[t - lag] for lag in range(min(len(taps), t + 1)))
        out.append(torch.sigmoid(logits[t] + pattern))
    return torch.stack(out)


def sized_boundaries(wanted: torch.Tensor, least: int, most: int) -> torch.Tensor:
    """Return the boundaries: (p,) bool. Arguments as those of the portable form, without the batch."""
    out, size = [], 0
    for t in range(len(wanted)):
        boundary = t == 0 or size >= most or (bool(wanted[t]) and size >= least)
        size = 1 if boundary else size + 1
        out.append(boundary)
    return torch.tensor(out, dtype=torch.bool)


def merged(
    x: torch.Tensor,
    chance: torch.Tensor,
    boundaries: torch.Tensor,
    inner: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Run inner layers on boundary rows, smooth and copy back.

    Args:
        x: (p, d).
        chance: (p,) float64, probability of a boundary.
        boundaries: (p,) bool; the first is one.
        inner: maps (m, d) to (m, d).

    Returns:
        (p, d) float64.
    """
    first = [t for t in range(len(x)) if boundaries[t]]
    mixed, smoothed = inner(x[first].double()), []
    for m, t in enumerate(first):
        before = smoothed[-1] if m else torch.zeros_like(mixed[0])
        smoothed.append(chance[t] * mixed[m] + (1 - chance[t]) * before)
    out, m = [], -1
    for t in range(len(x)):
        m += bool(boundaries[t])
        decided = chance[t] if boundaries[t] else 1 - chance[t]
        out.append(smoothed[m] * (1 + decided - decided.detach()))
    return torch.stack(out)
