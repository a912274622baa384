"""Features of plain opponents: k-mer frequencies and one-hot positions."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from genomelm.errors import InputError
from genomelm.seq.alphabet import ALPHABETS, encode, reverse_complement


def kmer_frequencies(
    sequences: Sequence[str], largest: int, alphabet: str = "dna", two_strands: bool = False
) -> sparse.csr_matrix:
    """Count every k-mer of 1..largest letters, as shares of a sequence's k-mers.

    Args:
        two_strands: count a k-mer and its reverse complement as one, in the column of the first of
            the two: a linear model on these is the one that sums over both strands.

    Returns:
        (n, a + a^2 + ... + a^largest) float32 with a letters; k-mers with another letter are left out.
    """
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    # "*" is no letter of any alphabet: no k-mer runs on into the next sequence.
    letters = _digits("*".join(sequences) + "*", alphabet)
    row_of, ends = np.repeat(np.arange(len(sequences)), lengths + 1), np.concatenate([[0], np.cumsum(lengths + 1)])
    size = len(ALPHABETS[alphabet].letters)
    blocks, codes = [], np.zeros(len(letters), np.int64)
    other = np.zeros(1, np.int64)  # code of each k-mer's reverse complement
    for k in range(1, largest + 1):
        before = np.concatenate([[-1], codes[:-1]]) if k > 1 else codes  # of the (k-1)-mer that ends a letter earlier
        codes = np.where((before >= 0) & (letters >= 0), before * size + letters, -1)
        known = codes >= 0
        columns = codes[known]
        if two_strands:
            other = ((size - 1 - np.arange(size)) * size ** (k - 1) + other[:, None]).ravel()
            columns = np.minimum(columns, other[columns])
        values = (1 / np.maximum(lengths - k + 1, 1)).astype(np.float32)[row_of[known]]
        counted = np.concatenate([[0], np.cumsum(known)])[ends]
        block = sparse.csr_matrix((values, columns, counted), (len(sequences), size**k))
        block.sum_duplicates()
        blocks.append(block)
    return sparse.hstack(blocks, format="csr")


def one_hot(sequences: Sequence[str], alphabet: str = "dna", two_strands: bool = False) -> sparse.csr_matrix:
    """Mark the letter at every place of sequences of one length, for an additive model.

    Args:
        two_strands: add the marks of the reverse complement.

    Returns:
        (n, l a) float32; other letters than the alphabet's have no mark.

    Raises:
        InputError: sequences of several lengths.
    """
    lengths = np.array([len(sequence) for sequence in sequences])
    if len(odd := np.flatnonzero(lengths != lengths[0])):
        raise InputError(
            f"one-hot positions need sequences of one length: number {odd[0] + 1} has {lengths[odd[0]]} letters, "
            f"the first {lengths[0]}"
        )
    letters = _digits("".join(sequences), alphabet)
    size, known = len(ALPHABETS[alphabet].letters), letters >= 0
    columns = np.arange(len(letters)) % lengths[0] * size + letters
    ends = np.concatenate([[0], np.cumsum(known)])[np.arange(len(sequences) + 1) * lengths[0]]
    shape = (len(sequences), lengths[0] * size)
    marks = sparse.csr_matrix((np.ones(known.sum(), np.float32), columns[known], ends), shape)
    return marks + one_hot([reverse_complement(s) for s in sequences], alphabet) if two_strands else marks


def _digits(text: str, alphabet: str) -> np.ndarray:
    """Return the place of each letter in the alphabet, int64 (l,); -1 of any other."""
    table = np.full(256, -1)
    table[ALPHABETS[alphabet].ids] = np.arange(len(ALPHABETS[alphabet].letters))
    return table[encode(text, alphabet)]
