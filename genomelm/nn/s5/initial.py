"""HiPPO-LegS, made normal and cut into blocks: the first eigenvalues and eigenvectors of an S5 state."""

import numpy as np

BLOCK = 32
"""Real dimensions of a block at most; larger ones only add frequencies that no step can follow."""


def legs_normal(size: int) -> np.ndarray:
    """Return the normal part of HiPPO-LegS, S = A + P P^T: (size, size) float64.

    Its symmetric part is -I/2; A is LegS's lower triangle and P its rank-one correction (Gu et al.
    2020, arXiv:2008.07669; Smith et al. 2023, arXiv:2208.04933, appendix B.1).
    """
    n = np.arange(size)
    root = np.sqrt(2 * n + 1.0)
    transition = -np.tril(root[:, None] * root[None, :], -1) - np.diag(n + 1.0)
    low_rank = np.sqrt(n + 0.5)
    return transition + low_rank[:, None] * low_rank[None, :]


def block_sizes(state: int) -> list[int]:
    """Return even block sizes that sum to `state`, each at most BLOCK, as equal as can be."""
    count = -(-state // BLOCK)
    pairs, longer = divmod(state // 2, count)
    return [2 * (pairs + (i < longer)) for i in range(count)]


def eigenpairs(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper half of one block's spectrum.

    The skew part of the normal matrix is i times a Hermitian one, so `eigh` gives the imaginary
    parts in ascending order and orthonormal vectors; the real parts are -1/2 each.

    Args:
        size: even.

    Returns:
        frequencies: (size/2,) float64 > 0, the imaginary parts, one of each conjugate pair.
        vectors: (size, size/2) complex128, one column an eigenvector.
    """
    skew = legs_normal(size) + np.eye(size) / 2
    frequencies, vectors = np.linalg.eigh(-1j * skew)
    return frequencies[size // 2 :], vectors[:, size // 2 :]


def block_diagonal(state: int) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies (n,) float64 and vectors (state, n) complex128 of all blocks, n = state / 2."""
    parts = [eigenpairs(size) for size in block_sizes(state)]
    vectors = np.zeros((state, state // 2), dtype=np.complex128)
    row = 0
    for _, block in parts:
        vectors[row : row + len(block), row // 2 : row // 2 + block.shape[1]] = block
        row += len(block)
    return np.concatenate([frequencies for frequencies, _ in parts]), vectors
