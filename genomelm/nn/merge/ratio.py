"""The loss that drives how many rows become boundaries."""

import torch
import torch.nn.functional as F

from genomelm.nn.rows import Rows

OCTAVES = 16
"""Patch lengths are told apart by octave: 1, 2-3, 4-7, ... bases."""
NEAR = 0.01
"""The loss's scale takes the wanted share this far from 0 and 1 at least."""


def ratio_loss(
    boundaries: torch.Tensor,
    probability: torch.Tensor,
    bias: torch.Tensor,
    rows: Rows,
    mean: float,
    least: int = 1,
    most: int = 1 << 30,
) -> torch.Tensor:
    """Return a scalar that is 0 where boundaries have their wanted share, and whose gradient drives them to it.

    With F the share of rows that are boundaries, G their mean probability and a the wanted share, in each octave of
    patch lengths: (1 - a) F G + a (1 - F) (1 - G) - a (1 - a), averaged over rows and divided by A (1 - A), with A the
    share wanted over all. For one octave this is the ratio loss of Hwang et al. 2025 (arXiv:2507.07955), less its
    value at the target. Its derivative by G is F - a: it is at rest where F = a only. The bias moves against F - A
    over all rows, whatever the probabilities, so that the mean comes to its target exactly.

    Shares are of the whole batch. First rows are boundaries by rule: they are left out, and the target of the others
    is lowered by them.

    Args:
        boundaries: (b, p) bool, as decided.
        probability: (b, p).
        bias: (1,), added to all logits.
        rows: geometry; padding is left out.
        mean: wanted rows in a merged one.
        least, most: bounds of the sizes, which bound the shares.
    """
    present = rows.present.to(probability.dtype)
    free = F.pad(present[:, 1:], (1, 0))
    with torch.autocast(probability.device.type, enabled=False):
        ends = 2 ** torch.arange(1, OCTAVES, device=boundaries.device)
        octave = F.one_hot(torch.bucketize(rows.lengths, ends, right=True), OCTAVES).to(free.dtype).flatten(0, 1)
        sums = torch.stack([free, free * boundaries, free * probability]).flatten(1) @ octave
    count, share, chance = sums[0], sums[1] / sums[0].clamp_min(1), sums[2] / sums[0].clamp_min(1)
    total = count.sum().clamp_min(1)
    wanted = ((present.sum() / mean - present[:, :1].sum()) / total).clamp(1 / most, 1 / least)
    target = octave_targets(count, wanted, 1 / most, 1 / least)
    each = (1 - target) * share * chance + target * (1 - share) * (1 - chance) - target * (1 - target)
    excess = (count * (share - target)).sum() * (bias - bias.detach()).sum()
    scale = wanted.clamp(NEAR, 1 - NEAR)
    return ((count * each).sum() + excess) / (total * scale * (1 - scale))


def octave_targets(count: torch.Tensor, share: torch.Tensor, lowest: float, highest: float) -> torch.Tensor:
    """Return the wanted share of boundaries in each octave of patch lengths.

    Patches that the entropy of the bases cuts are short where predicted entropy is high: there fewer patches should
    merge. A patch of length n stands for an entropy a base of about 1 / n, and the wanted share goes with its square
    root: share * (1 + s e), where 1 + e is length^-1/2 over its mean and s <= 1 the largest factor that keeps all
    octaves between the bounds. So the mean over rows is `share` itself. Patches of one octave (a fixed stride) tell
    nothing of entropy, and all get `share`.

    Args:
        count: (octaves,) rows of each octave.
        share: scalar between the bounds, wanted over all rows.
        lowest, highest: bounds.

    Returns:
        (octaves,).
    """
    weight = 2.0 ** (-0.5 * torch.arange(len(count), device=count.device, dtype=count.dtype))
    mean = (weight * count).sum() / count.sum().clamp_min(1)
    excess = torch.where(count > 0, weight / mean.clamp_min(1e-6) - 1, 0)
    rise, fall = share * excess.amax().clamp_min(1e-6), share * (-excess).amax().clamp_min(1e-6)
    scale = torch.minimum((highest - share) / rise, (share - lowest) / fall).clamp(0, 1)
    return share * (1 + scale * excess)
