"""Motifs: filters along the letters, as long as a binding site, tied between the strands."""

import torch
from torch import nn

from genomelm.nn.shortconv import depthwise
from genomelm.seq.alphabet import ALPHABETS, reverse_complement

TAPS = 19
"""Bases that a filter sees."""


class MotifBranch(nn.Module):
    """A depthwise convolution of the letters' indicators, `multiplier` filters a letter, and a pointwise map.

    DNA: the filters of a letter are those of its complement, mirrored. So the features of a reverse complement are
    the features mirrored, with complementary letters exchanged. RNA and protein have one strand, and nothing is tied.

    Args:
        width: d.
        alphabet: dna, rna or protein.
        multiplier: m, filters a letter.
        centred: the middle tap is the byte itself; else the last one is.
    """

    def __init__(self, width: int, alphabet: str, multiplier: int, centred: bool) -> None:
        super().__init__()
        letters = ALPHABETS[alphabet].letters
        other = reverse_complement(letters)[::-1] if alphabet == "dna" else letters
        free = [letter for letter, pair in zip(letters, other, strict=True) if letter <= pair]
        self.multiplier = multiplier
        self.ahead = TAPS // 2 if centred else 0
        # Which free filters each letter has, and whether they are mirrored.
        owner = [free.index(min(letter, pair)) for letter, pair in zip(letters, other, strict=True)]
        mirrored = [letter > pair for letter, pair in zip(letters, other, strict=True)]
        self.register_buffer("owner", torch.tensor(owner), persistent=False)
        self.register_buffer("mirrored", torch.tensor(mirrored), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(free), multiplier, TAPS))
        self.out = nn.Linear(len(letters) * multiplier, width, bias=False)
        nn.init.normal_(self.weight, std=TAPS**-0.5)
        nn.init.normal_(self.out.weight, std=0.02)

    def filters(self) -> torch.Tensor:
        """Return the taps of every letter's filters: (a, m, 19)."""
        taps = self.weight[self.owner]
        return torch.where(self.mirrored[:, None, None], taps.flip(-1), taps)

    def features(self, letters: torch.Tensor) -> torch.Tensor:
        """Convolve the letters' weights (b, l, a), zero where a byte is none: (b, l, a * m)."""
        x = letters.repeat_interleave(self.multiplier, -1)
        taps = self.filters().flatten(0, 1)[:, None, None]  # (a * m, 1, 1, taps)
        return depthwise(x, taps, None, TAPS - 1 - self.ahead, self.ahead)

    def forward(self, letters: torch.Tensor) -> torch.Tensor:
        """Map the letters' weights (b, l, a) to (b, l, d)."""
        return self.out(self.features(letters))
