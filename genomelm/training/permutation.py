"""Random order of any number of things, by place, without a list of them."""

import numpy as np
from numba import njit

from genomelm.runtime import counter_seed

ROUNDS = 6


def permuted(
    places: np.ndarray, count: int | np.ndarray, *counters: int | str, kinds: np.ndarray | int = 0
) -> np.ndarray:
    """Return where a random permutation of 0..count-1, a pure function of `counters`, sends each place.

    A Feistel network over the smallest even number of bits that holds `count`, walked until it is back inside the
    range (Black & Rogaway 2002, "Ciphers with arbitrary finite domains", section 4).

    Args:
        places: int64 (n,), each in 0..count-1.
        count: size of the range, up to 2**62; of each place its own, (n,), where there are several permutations.
        kinds: number of the permutation that each place belongs to, int64 (n,); those of one have one count.

    Returns:
        int64 (n,).
    """
    found = np.asarray(places).astype(np.uint64)
    sizes, which = np.unique(count, return_inverse=True)
    assert not len(found) or (found < count).all()
    halves = np.array([max(1, -(-int(size - 1).bit_length() // 2)) for size in sizes.tolist()], np.uint64)
    halves = np.broadcast_to(halves[which.ravel()], found.shape)
    kind = np.broadcast_to(_mixed(np.atleast_1d(kinds).astype(np.uint64)), found.shape)
    ends = np.broadcast_to(np.asarray(count).astype(np.uint64), found.shape)
    keys = np.array([counter_seed("round", number, *counters) for number in range(ROUNDS)], np.uint64)
    _walk(found, halves, kind, ends, keys)
    return found.astype(np.int64)


def hashed(values: np.ndarray, *counters: int | str) -> np.ndarray:
    """Return 64 random bits for each of int64 (n,) values, a pure function of it and of `counters`: uint64 (n,)."""
    return _mixed(np.asarray(values).astype(np.uint64) + np.uint64(counter_seed(*counters)))


@njit(cache=True, nogil=True)
def _walk(found, halves, kinds, ends, keys):  # pragma: no cover
    for n in range(found.shape[0]):
        half, x = halves[n], found[n]
        low = (np.uint64(1) << half) - np.uint64(1)
        while True:
            left, right = x >> half, x & low
            for key in keys:
                mixed = (right + key) ^ kinds[n]
                mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                left, right = right, left ^ ((mixed ^ (mixed >> np.uint64(31))) & low)
            x = (left << half) | right
            if x < ends[n]:
                break
        found[n] = x


def _mixed(x: np.ndarray) -> np.ndarray:
    """Spread 64 bits (the finalizer of splitmix64; Steele, Lea & Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
