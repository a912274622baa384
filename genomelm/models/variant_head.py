"""The variant effect's head: what changes between a reference and an alternate row."""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.config import HeadConfig, ShellConfig
from genomelm.models.sequence_head import Pooling
from genomelm.models.strands import moved, other_places, turned_ids


class VariantEffectHead(Pooling):
    """out(tanh(pool(alternate - reference))), from the pooled states and the states at the changed bytes.

    There are no biases, so the effect is odd by construction: exchanging the two rows changes its sign, and
    equal rows give exactly 0.
    """

    def __init__(self, shell: ShellConfig, head: HeadConfig) -> None:
        super().__init__(shell, head)
        d = shell.local_width
        self.keep_units(head)
        self.pool = nn.Linear(3 * d, d, bias=False)
        self.dropout = nn.Dropout(head.dropout)
        self.out = nn.Linear(d, head.outputs, bias=False)
        nn.init.normal_(self.out.weight, std=d**-0.5)

    def one_strand(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, references: int
    ) -> torch.Tensor:
        """Map byte states to raw effects (n, outputs).

        Args:
            states: (r + n, l, d): r reference rows, then n alternates.
            ids: (r + n, l) int64.
            mask: (r + n, l), 0 at padding; None means no padding.
            references: r, 1 (shared by all alternates) or n.
        """
        mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
        alternates = len(ids) - references
        if references not in (1, alternates):
            raise UsageError(f"{references} reference rows for {alternates} alternates: give one for all, or one each")

        def paired(x: torch.Tensor) -> torch.Tensor:
            return x[:references].expand(alternates, *x.shape[1:])

        ref, ref_mask, alt, alt_mask = paired(ids), paired(mask), ids[references:], mask[references:]
        at_ref, at_alt = changed(ref, ref_mask, alt, alt_mask)
        site = _mean(states[references:], at_alt) - _mean(paired(states), at_ref)
        pooled = self.pooled(states, ids, mask)
        difference = torch.cat([site, pooled[references:] - paired(pooled)], -1)
        # The states of equal rows can differ by rounding, which depends on a row's place in the batch.
        equal = ((ref == alt) | ~alt_mask).all(1) & (ref_mask == alt_mask).all(1)
        difference = difference.masked_fill(equal[:, None], 0)
        return self.out(self.dropout(torch.tanh(self.pool(difference)))).float()

    def other_strand(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, references: int
    ) -> torch.Tensor:
        """Map the other strand's states, read in its own order: where repeats make it ambiguous what changed, it is
        settled from the start that is read."""
        places = other_places(ids, mask)
        return self.one_strand(moved(states, places), turned_ids(ids, places), mask, references)

    def in_units(self, raw: torch.Tensor) -> torch.Tensor:
        """Return effects (n, outputs) in the labels' units."""
        return raw * self.scale

    def loss_of(self, raw: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error over the alternates, in units of the labels' deviation: a scalar."""
        return F.mse_loss(raw, labels.float().view_as(raw) / self.scale)


def changed(
    ref: torch.Tensor, ref_mask: torch.Tensor, alt: torch.Tensor, alt_mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the bytes between the common start and the common end of two rows, bool (n, l) each.

    Where a row has none (the other one holds an insertion, or both are equal), the last byte of the common start.

    Args:
        ref, alt: (n, l) int64, BOS first.
        ref_mask, alt_mask: (n, l) bool, False at padding, which stands at the right.
    """
    same = (ref == alt) & ref_mask & alt_mask
    start = same.long().cumprod(1).sum(1)  # (n,)
    ends = [m.sum(1) for m in (ref_mask, alt_mask)]
    here = torch.arange(ref.shape[1], device=ref.device)
    from_end = [x.gather(1, (end[:, None] - 1 - here).clamp_min(0)) for x, end in zip((ref, alt), ends, strict=True)]
    tail = (from_end[0] == from_end[1]).long().cumprod(1).sum(1)
    tail = torch.minimum(tail, torch.minimum(*ends) - start)
    found = []
    for end in ends:
        stop = end - tail
        first = torch.where(stop > start, start, start - 1)
        found.append((here >= first[:, None]) & (here < torch.maximum(stop, first + 1)[:, None]))
    return found[0], found[1]


def _mean(states: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    weight = where[..., None].to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1).clamp_min(1)
