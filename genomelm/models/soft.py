"""A sequence as letter probabilities: the byte embedding extended to mixtures, for attribution to differentiate.

The extension is multilinear: a k-mer's weight is the product of its letters' weights. At a one-hot row it is the
embedding of that letter exactly, and along one row it is a straight line between letters. Patch boundaries and
everything else that depends on the ids stay those of the hard sequence.
"""

import torch

from genomelm.models.model import GenomeModel
from genomelm.nn.kmers import KmerEmbedding
from genomelm.seq.alphabet import ALPHABETS


def letter_weights(x: torch.Tensor) -> torch.Tensor:
    """Append the unknown letter's weight to (l, a): what is missing to 1; a row of zeros is the unknown letter."""
    return torch.cat([x, 1 - x.sum(-1, keepdim=True)], -1)


def embedding_offset(model: GenomeModel, ids: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return what turns the embedding of `ids` into that of the mixture `x`; differentiable in x.

    Args:
        ids: (l+1,) int64, BOS and the bases.
        x: (l, a) float32, weights of the alphabet's letters at each base.

    Returns:
        (1, l+1, d) float32, for GenomeModel.forward(embedding_offset=...).
    """
    shell = model.shell
    columns = torch.tensor([ord(letter) for letter in ALPHABETS[model.alphabet].columns], device=x.device)
    weights = letter_weights(x)  # (l, a+1)
    soft = weights @ shell.bytes.weight[columns]
    hard = shell.bytes(ids[1:]) + shell.kmers(ids[None])[0, 1:]
    return torch.cat([x.new_zeros(1, soft.shape[1]), soft + mixed_kmers(shell.kmers, weights) - hard])[None]


def mixed_kmers(kmers: KmerEmbedding, weights: torch.Tensor) -> torch.Tensor:
    """Return the expected sum of k-mer vectors at each base, (l, d), from letter weights (l, a+1).

    Memory is l * (a+1)^k, so this is for loci, not for chromosomes. Before the first base stands the unknown letter.
    """
    length, letters = weights.shape
    unknown = torch.zeros(1, letters, dtype=weights.dtype, device=weights.device)
    unknown[0, -1] = 1
    tables = dict(zip(kmers.sizes, kmers.tables, strict=True))
    longest = max(tables, default=0)
    padded = torch.cat([unknown.expand(max(longest - 1, 0), letters), weights])
    total = weights.new_zeros(length, kmers.width)
    for k, table in tables.items():
        distribution = padded.new_ones(length, 1)
        for back in range(k - 1, -1, -1):  # the oldest letter is the code's first digit
            first = longest - 1 - back
            distribution = (distribution[:, :, None] * padded[first : first + length, None, :]).flatten(1)
        total = total + distribution @ table.weight
    return total
