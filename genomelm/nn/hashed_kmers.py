"""k-mers beyond the exact tables: rows are shared by the k-mers that hash alike."""

import torch
import torch.nn.functional as F
from torch import nn

from genomelm.errors import UsageError
from genomelm.nn.shifts import shifted

FACTOR = 0x9E3779B97F4A7C15 - (1 << 64)
"""Odd, so that no digit of a k-mer is lost in 64 bits: the golden ratio's, as a signed number."""
MIXER = 0xBF58476D1CE4E5B9 - (1 << 64)
"""The first of splitmix64 (Steele et al. 2014), as a signed number: a code's high bits come to depend on all."""


class HashedKmers(nn.Module):
    """Sum of one learned table a k, at a hash of the k-mer of known letters that ends at each byte.

    A byte before which, in its record, there are fewer than k - 1 known letters in a row has no such k-mer and gets
    nothing; so the unknown letter, and whatever is no letter, begins anew.

    Args:
        width: d.
        sizes: the k of each table.
        buckets: rows of a table.
    """

    def __init__(self, width: int, sizes: tuple[int, ...], buckets: int) -> None:
        super().__init__()
        self.sizes, self.buckets = sizes, buckets
        # The last row is that of no k-mer: it is zero, and gets no gradient.
        self.tables = nn.ModuleList(nn.Embedding(buckets + 1, width, padding_idx=buckets) for _ in sizes)
        for table in self.tables:
            nn.init.normal_(table.weight, std=0.02)
            with torch.no_grad():
                table.weight[buckets] = 0

    def rows(self, digits: torch.Tensor, unknown: int) -> list[torch.Tensor]:
        """Return the row of each table at each byte: (b, l) int64 each.

        The code of a k-mer is the sum over j of (its letter j before the last + 1) * FACTOR^j, by 64 bits, so that
        each k goes on from the one before; the row is that of the mixed code.

        Args:
            digits: (b, l) int64, places of the letters in the alphabet.
            unknown: digit of whatever is no letter.
        """
        length, longest = digits.shape[1], max(self.sizes)
        padded = F.pad(digits, (longest - 1, 0), value=unknown)
        code, known, power, found = torch.zeros_like(digits), torch.ones_like(digits, dtype=torch.bool), 1, {}
        for k in range(1, longest + 1):
            letter = padded[:, longest - k : longest - k + length]
            code = code + (letter + 1) * power
            known = known & (letter != unknown)
            power = _signed(power * FACTOR)
            if k in self.sizes:
                found[k] = torch.where(known, _mixed(code) % self.buckets, self.buckets)
        return [found[k] for k in self.sizes]

    def forward(self, digits: torch.Tensor, unknown: int) -> torch.Tensor:
        """Map digits (b, l) to (b, l, d)."""
        rows = self.rows(digits, unknown)
        return sum(table(row) for table, row in zip(self.tables, rows, strict=True))


def refuse_mixtures() -> None:
    """Say that hashed k-mers have no expectation that could be worked out.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        "the model has hashed k-mers, which are of letters and not of mixtures of letters: use a method that "
        "substitutes letters (ism), or a model with shell.hashed_kmers left empty"
    )


def _mixed(code: torch.Tensor) -> torch.Tensor:
    """Return numbers of 31 bits that depend on all 64 of the codes."""
    return shifted((code ^ shifted(code, 30)) * MIXER, 33)


def _signed(number: int) -> int:
    """Return a number modulo 2^64 as a signed one."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
