"""Which of some sequences occur in a long text, on either strand: the compiled loops under `leakage`."""

import numpy as np
from numba import njit

ANCHOR = 24
"""Letters by which a sequence is looked up; the rest of it is then compared letter by letter."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_NONE = -1
_FILTER_BITS = 18
"""Bits of a hash that are looked up first, in 32 KiB that a core's nearest cache holds."""


class Sought:
    """Sequences that are looked for, each by one anchor on either strand.

    Args:
        letters: uint8 (n,), the sequences one behind the other.
        lengths: int64 (m,).
        complements: uint8 (256,), each letter's complement; None where there is no other strand.
        unknown: the letter that no anchor may hold.

    Attributes:
        found: bool (m, 2), met as it is, and in reverse complement.
        looked: bool (m,), whether it has an anchor: 24 known letters in a row.
    """

    def __init__(self, letters: np.ndarray, lengths: np.ndarray, complements: np.ndarray | None, unknown: int) -> None:
        self.letters, self.unknown = letters, np.uint8(unknown)
        self.edges = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.found = np.zeros((len(lengths), 2), np.bool_)
        self.strands = 1 if complements is None else 2
        self.complements = np.arange(256, dtype=np.uint8) if complements is None else complements.astype(np.uint8)
        count = 2 * len(lengths)
        self.hashes, self.places = np.zeros(count, np.uint64), np.full(count, _NONE, np.int64)
        _anchors(letters, self.edges, self.complements, self.strands, self.unknown, self.hashes, self.places)
        self.looked = self.places[::2] != _NONE
        bits = max(10, int(4 * count).bit_length())
        self.heads, self.chain = np.full(1 << bits, _NONE, np.int64), np.full(count, _NONE, np.int64)
        self.filter = np.zeros(1 << _FILTER_BITS - 6, np.uint64)
        _index(self.hashes, self.places, self.heads, self.chain, self.filter)

    def look_in(self, text: np.ndarray) -> None:
        """Look for them in a text, uint8 (n,)."""
        _look(
            *(text, self.unknown, self.letters, self.edges, self.complements),
            *(self.hashes, self.places, self.heads, self.chain, self.filter, self.found),
        )


@njit(cache=True, nogil=True)
def _mixed(x):  # pragma: no cover
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True)
def _power():  # pragma: no cover
    power = np.uint64(1)
    for _ in range(ANCHOR):
        power *= _BASE
    return power


@njit(cache=True, nogil=True)
def _anchors(letters, edges, complements, strands, unknown, hashes, places):  # pragma: no cover
    """Choose for each sequence and strand the anchor of the smallest hash: `places` are offsets of its first letter.

    Entry 2 m is sequence m as it is, 2 m + 1 its reverse complement, with offsets in that.
    """
    power = _power()
    for number in range(edges.shape[0] - 1):
        first, last = edges[number], edges[number + 1]
        for strand in range(strands):
            total, known, best = np.uint64(0), 0, np.uint64(0)
            entry = 2 * number + strand
            for at in range(last - first):
                letter = letters[first + at] if strand == 0 else complements[letters[last - 1 - at]]
                known = 0 if letter == unknown else known + 1
                total = total * _BASE + np.uint64(letter)
                if at >= ANCHOR:
                    gone = at - ANCHOR
                    old = letters[first + gone] if strand == 0 else complements[letters[last - 1 - gone]]
                    total -= np.uint64(old) * power
                if known >= ANCHOR:
                    hashed = _mixed(total)
                    if places[entry] == _NONE or hashed < best:
                        best, hashes[entry], places[entry] = hashed, hashed, at - ANCHOR + 1


@njit(cache=True, nogil=True)
def _bit(hashed):  # pragma: no cover
    """Return the word of the filter and the bit in it that stand for a hash."""
    high = hashed >> np.uint64(64 - _FILTER_BITS)
    return np.int64(high >> np.uint64(6)), np.uint64(1) << (high & np.uint64(63))


@njit(cache=True, nogil=True)
def _index(hashes, places, heads, chain, bits):  # pragma: no cover
    low = np.uint64(heads.shape[0] - 1)
    for entry in range(hashes.shape[0]):
        if places[entry] != _NONE:
            word, bit = _bit(hashes[entry])
            bits[word] |= bit
            slot = np.int64(hashes[entry] & low)
            chain[entry] = heads[slot]
            heads[slot] = entry


@njit(cache=True, nogil=True)
def _look(text, unknown, letters, edges, complements, hashes, places, heads, chain, bits, found):  # pragma: no cover
    power, low = _power(), np.uint64(heads.shape[0] - 1)
    total, known = np.uint64(0), 0
    for at in range(text.shape[0]):
        letter = text[at]
        known = 0 if letter == unknown else known + 1
        total = total * _BASE + np.uint64(letter)
        if at >= ANCHOR:
            total -= np.uint64(text[at - ANCHOR]) * power
        if known < ANCHOR:
            continue
        hashed = _mixed(total)
        word, bit = _bit(hashed)
        if not bits[word] & bit:
            continue
        slot = np.int64(hashed & low)
        entry, before = heads[slot], _NONE
        while entry != _NONE:
            following = chain[entry]
            number, strand = entry // 2, entry % 2
            met = False
            if hashes[entry] == hashed:
                first, last = edges[number], edges[number + 1]
                begin = at - ANCHOR + 1 - places[entry]
                if begin >= 0 and begin + last - first <= text.shape[0]:
                    met = True
                    for offset in range(last - first):
                        other = letters[first + offset] if strand == 0 else complements[letters[last - 1 - offset]]
                        if text[begin + offset] != other:
                            met = False
                            break
            if met:  # it is not looked for again
                found[number, strand] = True
                if before == _NONE:
                    heads[slot] = following
                else:
                    chain[before] = following
            else:
                before = entry
            entry = following
