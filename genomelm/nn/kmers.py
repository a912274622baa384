"""Exact k-mer tables: each byte also carries the learned vectors of the k-mers that end at it."""

import torch
import torch.nn.functional as F
from torch import nn


class KmerEmbedding(nn.Module):
    """Sum of one learned table a k, indexed exactly by the k-mer that ends at each byte.

    A letter's digit is its place in the alphabet (base 5 for DNA, N included); bytes outside it,
    special tokens and the positions before the first byte count as the unknown letter.

    Args:
        width: d.
        sizes: the k of each table.
        letters: ids (v',) of the alphabet's letters, the unknown last.
        vocabulary: number of ids.
    """

    def __init__(self, width: int, sizes: tuple[int, ...], letters: torch.Tensor, vocabulary: int) -> None:
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

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Map ids (b, l) int64 to (b, l, d); row i reads bytes i-k+1..i."""
        digits = self.digits[ids]
        total = self.zero.expand(*ids.shape, -1)
        for k, table in zip(self.sizes, self.tables, strict=True):
            padded = F.pad(digits, (k - 1, 0), value=self.base - 1)
            code = padded[:, : ids.shape[1]]
            for j in range(1, k):
                code = code * self.base + padded[:, j : j + ids.shape[1]]
            total = total + table(code)
        return total
