"""k-mer tables: each byte also carries the learned vectors of the k-mers that end at it."""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.nn.hashed_kmers import HashedKmers, refuse_mixtures


class KmerEmbedding(nn.Module):
    """Sum of one learned table a k, indexed exactly by the k-mer that ends at each byte.

    A letter's digit is its place in the alphabet (base 5 for DNA, N included); bytes outside it,
    special tokens and the positions before the first byte count as the unknown letter.

    Args:
        width: d.
        sizes: the k of each table.
        letters: ids (v',) of the alphabet's letters, the unknown last.
        vocabulary: number of ids.
        hashed: the k of each table of hashed k-mers.
        buckets: rows of these.
    """

    def __init__(
        self,
        width: int,
        sizes: tuple[int, ...],
        letters: torch.Tensor,
        vocabulary: int,
        hashed: tuple[int, ...] = (),
        buckets: int = 0,
    ) -> None:
        super().__init__()
        self.width, self.sizes = width, sizes
        self.base = len(letters)
        digits = torch.full((vocabulary,), self.base - 1)
        digits[letters] = torch.arange(self.base)
        self.register_buffer("digits", digits, persistent=False)
        self.register_buffer("zero", torch.zeros(width), persistent=False)
        self.tables = nn.ModuleList(nn.Embedding(self.base**k, width) for k in sizes)
        for table in self.tables:
            nn.init.normal_(table.weight, std=0.02)
        self.hashed = HashedKmers(width, hashed, buckets) if hashed else None

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Map ids (b, l) int64 to (b, l, d); row i reads bytes i-k+1..i."""
        digits, length, longest = self.digits[ids], ids.shape[1], max(self.sizes, default=1)
        padded = F.pad(digits, (longest - 1, 0), value=self.base - 1)
        codes = {1: digits}  # the newest letter is a code's last digit, so that each k goes on from the one before
        for k in range(2, longest + 1):
            oldest = padded[:, longest - k : longest - k + length]
            codes[k] = torch.add(codes[k - 1], oldest, alpha=self.base ** (k - 1))
        total = self.zero.expand(*ids.shape, -1)
        for k, table in zip(self.sizes, self.tables, strict=True):
            total = total + table(codes[k])
        return total if self.hashed is None else total + self.hashed(digits, self.base - 1)

    def mixed(self, weights: torch.Tensor) -> torch.Tensor:
        """Return the expected sum of vectors where letters are drawn independently: (b, l, d).

        It is multilinear: a k-mer's weight is the product of its letters' weights. At one-hot rows it is `forward`.
        Memory is b * l * v'^k, so this is for loci, not for chromosomes.

        Args:
            weights: (b, l, v') weights of the letters at each byte, the unknown one last.

        Raises:
            UsageError: there are hashed k-mers, which have no such sum.
        """
        if self.hashed is not None:
            refuse_mixtures()
        b, length, _ = weights.shape
        unknown = F.one_hot(torch.tensor(self.base - 1, device=weights.device), self.base).to(weights.dtype)
        total = weights.new_zeros(b, length, self.width)
        for k, table in zip(self.sizes, self.tables, strict=True):
            padded = torch.cat([unknown.expand(b, k - 1, -1), weights], 1)
            chance = weights.new_ones(b, length, 1)
            for j in range(k):  # the oldest letter is the code's first digit
                chance = (chance[..., :, None] * padded[:, j : j + length, None, :]).flatten(-2)
            total = total + chance @ table.weight
        return total
