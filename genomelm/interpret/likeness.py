"""Sequences that are nearly the same text, shifted, turned round or with a few letters changed: one observation."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from genomelm.seq.alphabet import reverse_complement

WORD = 12
"""Letters of the words that are compared: two random sequences of 1,000 bases have about one in eight pairs a word
in common."""
SHARED = 0.25
"""Share of the words of the poorer of two sequences from which on they count as the same text."""
LEAST = 8
"""Words that two sequences must share at least: 19 letters in a row, more than a planted pair of motifs has."""


class Seen:
    """The sequences that were taken so far."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._holders: dict[int, list[int]] = {}
        self._counts: list[int] = []

    def holds(self, sequence: str) -> bool:
        """Whether the sequence, or its reverse complement, reads like one that was taken."""
        if min(sequence, reverse_complement(sequence)) in self._whole:
            return True
        words = _words(sequence)
        shared = Counter(holder for word in words for holder in self._holders.get(word, ()))
        return any(
            count >= max(LEAST, SHARED * min(len(words), self._counts[holder])) for holder, count in shared.items()
        )

    def take(self, sequence: str) -> None:
        """Take a sequence."""
        self._whole.add(min(sequence, reverse_complement(sequence)))
        words = _words(sequence)
        for word in words:
            self._holders.setdefault(word, []).append(len(self._counts))
        self._counts.append(len(words))


def _words(sequence: str) -> Sequence[int]:
    """Return the different words of a sequence, each the lower of its two strands' codes; those with N left out."""
    codes = np.full(256, -1, np.int64)
    for code, letters in enumerate(("Aa", "Cc", "Gg", "TtUu")):
        codes[[ord(letter) for letter in letters]] = code
    letters = codes[np.frombuffer(sequence.encode("latin-1"), np.uint8)]
    if len(letters) < WORD:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(letters, WORD)
    windows = windows[(windows >= 0).all(axis=1)]
    powers = 4 ** np.arange(WORD)
    return np.unique(np.minimum(windows @ powers[::-1], (3 - windows) @ powers)).tolist()
