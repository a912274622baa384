"""The adaptive token merger: learned boundaries, inner layers on the rows there, smoothed copies for the others."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.nn.merge.portable import Runs, sized_boundaries, smooth
from genomelm.nn.merge.ratio import ratio_loss
from genomelm.nn.rows import Rows

WIDTH = 64
"""Most channels in which neighbouring rows are compared; the comparison runs in float32."""
GAIN = 32.0
"""Factor of the bias: a step of 0.001, as latent parameters take, moves the logits by 0.03."""
SURE = 1 - 1e-4
"""Largest size of a cosine whose logit is taken."""


class AdaptiveTokenMerger(nn.Module):
    """Run inner layers on boundary rows only, and give every row what its run's boundary row got.

    The boundary probability is p[t] = (1 - cos(W_q x[t], W_k x[t-1])) / 2 (Hwang et al. 2025, arXiv:2507.07955),
    with a bias added to its logit, and after a pattern detector: a causal convolution of the logits is added. Both
    start at nothing, and W_q and W_k start equal: a boundary stands where rows change. A record's first row is one.
    The bias hears of the ratio loss alone, and takes large steps: it finds the threshold that keeps the wanted
    mean, while tasks and that loss say by W_q, W_k and the taps where the boundaries are.

    What comes out of the inner layers is smoothed, z[m] = p[m] z'[m] + (1 - p[m]) z[m-1], and copied to the rows of
    its run by a straight-through estimator (forward a copy; backward also the probability of the decision taken at
    that row). The residual of the un-merged input is the caller's.

    The same causal rule serves bidirectional models: only the inner layers look ahead there.

    Args:
        width: d.
        mean: wanted rows in a merged one.
        least, most: bounds of the rows in a merged one; a record's last may have fewer.
        taps: of the pattern detector; 0: none.
        weight: of the loss that drives the mean.
    """

    def __init__(
        self, width: int, mean: float = 2.0, least: int = 1, most: int = 16, taps: int = 4, weight: float = 0.03
    ) -> None:
        super().__init__()
        self.mean, self.least, self.most, self.weight = mean, least, most, weight
        self.query = nn.Linear(width, min(width, WIDTH), bias=False)
        self.key = nn.Linear(width, min(width, WIDTH), bias=False)
        nn.init.orthogonal_(self.query.weight)
        with torch.no_grad():
            self.key.weight.copy_(self.query.weight)
        self.taps = nn.Parameter(torch.zeros(taps)) if taps else None
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(
        self,
        x: torch.Tensor,
        rows: Rows,
        inner: Callable[[torch.Tensor, Rows], torch.Tensor],
        boundaries: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Apply inner layers to merged rows. In training mode rows.losses gets the ratio loss, times its weight.

        Args:
            x: (b, p, d).
            rows: geometry.
            inner: maps merged rows (b, m, d) and their geometry to (b, m, d).
            boundaries: (b, p) bool, instead of those that the probabilities decide; row 0 is always one.

        Returns:
            (b, p, d).
        """
        chance = self.probability(x)
        if boundaries is None:
            boundaries = sized_boundaries(chance >= 0.5, self.least, self.most)
        boundaries = boundaries | first_rows(x)
        if self.training:
            loss = ratio_loss(boundaries, chance, GAIN * self.bias, rows, self.mean, self.least, self.most)
            rows.losses.append(self.weight * loss)
        runs = Runs.from_boundaries(boundaries, rows)
        mixed = inner(runs.merge(x), runs.merged)
        smoothed = smooth(mixed, runs.merge(chance[..., None])[..., 0])
        decided = torch.where(boundaries, chance, 1 - chance)
        through = 1 + (decided - decided.detach())  # exactly 1, with the gradient of `decided`
        return runs.unmerge(smoothed.to(mixed.dtype)) * through[..., None].to(mixed.dtype)

    def probability(self, x: torch.Tensor) -> torch.Tensor:
        """Return the probability of a boundary at each row of (b, p, d): (b, p), float32 at least, 1 at row 0."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(torch.promote_types(x.dtype, self.query.weight.dtype))
            query = F.normalize(self.query(x[:, 1:]), dim=-1)
            key = F.normalize(self.key(x[:, :-1]), dim=-1)
            cosine = (query * key).sum(-1).clamp(-SURE, SURE)
            logits = torch.log1p(-cosine) - torch.log1p(cosine) + GAIN * self.bias.detach()
            logits = F.pad(logits, (1, 0))  # row 0 tells the detector nothing
            if self.taps is not None:
                logits = logits + self._pattern(logits)
            return torch.where(first_rows(x), 1, torch.sigmoid(logits))

    def _pattern(self, logits: torch.Tensor) -> torch.Tensor:
        """Convolve logits (b, p) causally with the taps, the first of which is lag 0."""
        taps, p = len(self.taps), logits.shape[1]
        behind = F.pad(logits, (taps - 1, 0))
        return sum(self.taps[lag] * behind[:, taps - 1 - lag : taps - 1 - lag + p] for lag in range(taps))


def first_rows(x: torch.Tensor) -> torch.Tensor:
    """Return which rows of (b, p, d) are first ones: (1, p) bool. A row of a backbone's batch holds one record."""
    return torch.arange(x.shape[1], device=x.device)[None] == 0
