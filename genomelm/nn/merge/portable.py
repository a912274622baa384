"""Merging in plain torch: which rows stand, where they go, and how merged rows are smoothed."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable

from genomelm.nn.rows import Rows, padded_count

CHUNK = 16
"""Rows of a chunk of the smoothing: inside it the recurrence is one matrix product."""


def sized_boundaries(wanted: torch.Tensor, least: int, most: int) -> torch.Tensor:
    """Keep the sizes of merged rows within bounds, each row deciding from those before it only.

    Row 0 is a boundary, and so is a row `most` rows after the last boundary, or at least `least` after it where one
    is wanted. So every boundary decides the next one: they are the orbit of row 0 under a map to later rows, which
    log2(p) squarings of the map mark.

    Args:
        wanted: (b, p) bool.
        least, most: 1 <= least <= most, rows.

    Returns:
        (b, p) bool.
    """
    b, p = wanted.shape
    here = torch.arange(p + 1, device=wanted.device)
    following = torch.minimum(_next(wanted, least), here + most)
    marked = (here == 0).repeat(b, 1)  # the last column, row p, collects what is past the end
    for _ in range(p.bit_length()):
        marked = marked.scatter(1, torch.where(marked, following, p), True)
        following = following.gather(1, following)
    return marked[:, :p]


def _next(flags: torch.Tensor, ahead: int) -> torch.Tensor:
    """Return the first flagged row at `ahead` rows past each row or later, p where there is none: (b, p+1) int64."""
    p = flags.shape[1]
    ahead = min(ahead, p)
    here = torch.arange(p, device=flags.device)
    first = torch.where(flags, here, p).flip(1).cummin(1).values.flip(1)
    return F.pad(first, (0, ahead + 1), value=p)[:, ahead : ahead + p + 1]


@dataclass(frozen=True)
class Runs:
    """Where rows (b, p) and merged rows (b, m) stand to each other.

    Attributes:
        first: (b, m) int64, the boundary row of each merged row; p past a row's last one.
        member: (b, p) int64, the merged row of each row.
        rows: geometry of the rows.
    """

    first: torch.Tensor
    member: torch.Tensor
    rows: Rows

    @classmethod
    def from_boundaries(cls, boundaries: torch.Tensor, rows: Rows) -> "Runs":
        """Number the runs; m is the most of any row (off the CPU up to a bucket).

        Args:
            boundaries: (b, p) bool; row 0 is one.
            rows: geometry; boundaries at padding are left out.
        """
        b, p = boundaries.shape
        boundaries = boundaries & rows.present
        order = boundaries.cumsum(1, dtype=torch.int64)
        count = min(padded_count(int(order[:, -1].max()), order.device), p)
        here = torch.arange(p, device=order.device).expand(b, p)
        target = torch.where(boundaries, order - 1, count)
        first = torch.full((b, count + 1), p, device=order.device).scatter(1, target, here)
        return cls(first[:, :count], (order - 1).clamp_min(0), rows)

    @property
    def merged(self) -> Rows:
        """Return the geometry of the merged rows.

        A merged row lies where its boundary row does. Its length is the bases from the end of the boundary row before
        to the end of this one: at its boundary a causal model cannot know yet how far the run will reach.
        """
        places, lengths = self.rows.places, self.rows.lengths
        end = (places + lengths).amax(1, keepdim=True)
        passed = F.pad(lengths.cumsum(1), (1, 0))  # (b, p + 1), bases before each row
        here = torch.cat([passed[:, 1:], passed[:, -1:]], 1).gather(1, self.first)  # (b, m), bases up to its end
        return replace(
            self.rows,
            places=torch.cat([places, end], 1).gather(1, self.first),
            lengths=torch.where(self.first < places.shape[1], here.diff(dim=1, prepend=here[:, :1] * 0), 0),
        )

    def merge(self, x: torch.Tensor) -> torch.Tensor:
        """Return the boundary rows of x (b, p, d): (b, m, d), zeros at padding."""
        b, p, d = x.shape
        index = self.first + torch.arange(b, device=x.device)[:, None] * p
        index = torch.where(self.first < p, index, b * p).reshape(-1)
        return torch.cat([x.reshape(b * p, d), x.new_zeros(1, d)]).index_select(0, index).view(b, -1, d)

    def unmerge(self, z: torch.Tensor) -> torch.Tensor:
        """Give each row what its merged row holds: z (b, m, d) -> (b, p, d)."""
        b, m, d = z.shape
        index = self.member + torch.arange(b, device=z.device)[:, None] * m
        return z.reshape(b * m, d).index_select(0, index.reshape(-1)).view(b, -1, d)


def smooth(x: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return z[m] = share[m] x[m] + (1 - share[m]) z[m-1] from z = 0, in float32 at least.

    Args:
        x: (b, m, d).
        share: (b, m), between 0 and 1; 1 forgets what came before.
    """
    kind = torch.promote_types(torch.promote_types(x.dtype, share.dtype), torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        share = share.to(kind)
        return _Scan.apply(share[..., None] * x.to(kind), 1 - share)


class _Scan(torch.autograd.Function):
    """z[m] = u[m] + keep[m] z[m-1]. The gradient of a scan is a scan of the gradient, from the end."""

    @staticmethod
    def forward(ctx, inputs, keep):
        states = _chunked(inputs, keep)
        ctx.save_for_backward(states, keep)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        states, keep = ctx.saved_tensors
        ahead = F.pad(keep[:, 1:], (0, 1))
        gradient = _chunked(upstream.flip(1), ahead.flip(1)).flip(1)
        before = F.pad(states[:, :-1], (0, 0, 1, 0))
        return gradient, (gradient * before).sum(-1)


def _chunked(inputs: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    """Scan (b, m, d) with factors (b, m): a matrix of products inside chunks, and the same over chunks."""
    b, m, d = inputs.shape
    if m == 0:
        return inputs
    chunk = min(CHUNK, m)
    count = -(-m // chunk)
    rows = F.pad(inputs, (0, 0, 0, count * chunk - m)).reshape(b * count, chunk, d)
    factors = F.pad(keep, (0, count * chunk - m)).reshape(b * count, chunk)
    # Entry (s, t) is the product of the factors of rows t+1..s: no logarithms, as a factor may be 0.
    after = torch.ones(chunk, chunk, dtype=torch.bool, device=keep.device).tril(-1)
    products = torch.where(after, factors[:, :, None], 1.0).cumprod(1).tril()
    states = torch.bmm(products, rows)
    if count > 1:
        whole = factors.cumprod(1)  # (b * count, chunk), the product from a chunk's first row on
        carried = _chunked(states[:, -1].view(b, count, d), whole[:, -1].view(b, count))
        handed = F.pad(carried[:, :-1], (0, 0, 1, 0)).reshape(b * count, 1, d)
        states = torch.baddbmm(states, whole[:, :, None], handed)
    return states.view(b, count * chunk, d)[:, :m]
