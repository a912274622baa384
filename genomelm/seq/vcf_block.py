"""A block of whole data lines of a VCF: where its columns stand, found without a Python object a line."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_DIGITS = 10  # of a position; longer ones are read one by one


@dataclass(frozen=True)
class Block:
    """Data lines that all have as many columns as the header.

    Args:
        number: of the first line in its file, from 1.
        text: the lines, each with its line end.
        tabs: int64 (lines, columns - 1), the places of the tabs in `text`.
    """

    number: int
    text: bytes
    tabs: np.ndarray

    @classmethod
    def of(cls, number: int, text: bytes, width: int) -> "Block | None":
        """Return the block; None when a line has not `width` columns, or begins with '#'."""
        letters = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(letters == ord("\n"))
        tabs = np.flatnonzero(letters == ord("\t"))
        if len(tabs) != len(ends) * (width - 1):
            return None
        tabs = tabs.reshape(len(ends), width - 1)
        starts = np.append(0, ends[:-1] + 1)
        in_line = (tabs[:, 0] >= starts).all() and (tabs[:, -1] < ends).all()
        return cls(number, text, tabs) if in_line and not (letters[starts] == ord("#")).any() else None

    @property
    def starts(self) -> np.ndarray:
        """Places of the first bytes of the lines, int64 (lines,)."""
        letters = np.frombuffer(self.text, np.uint8)
        return np.append(0, np.flatnonzero(letters[:-1] == ord("\n")) + 1)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield (number in the file, line with its line end)."""
        for number, line in enumerate(self.text.split(b"\n")[:-1], self.number):
            yield number, line + b"\n"

    def contigs(self) -> list[tuple[bytes, int, int]]:
        """Return (name, first line, line behind the last) of each run of lines on one contig."""
        count, name = len(self.tabs), self.text[: self.tabs[0, 0]]
        if self.text.count(b"\n" + name + b"\t") == count - 1:
            return [(name, 0, count)]
        runs: list[tuple[bytes, int, int]] = []
        for place, (start, tab) in enumerate(zip(self.starts.tolist(), self.tabs[:, 0].tolist(), strict=True)):
            name = self.text[start:tab]
            if runs and runs[-1][0] == name:
                runs[-1] = (name, runs[-1][1], place + 1)
            else:
                runs.append((name, place, place + 1))
        return runs

    def positions(self) -> np.ndarray | None:
        """Return POS of each line, int64 (lines,); None when one is not a whole number of at most ten digits."""
        letters = np.frombuffer(self.text, np.uint8)
        first, end = self.tabs[:, 0] + 1, self.tabs[:, 1]
        longest = int((end - first).max())
        if not 0 < int((end - first).min()) <= longest <= _DIGITS:
            return None
        found = np.zeros(len(first), np.int64)
        for step in range(longest):
            inside = first + step < end
            digits = letters[np.where(inside, first + step, first)].astype(np.int64) - ord("0")
            if ((digits < 0) | (digits > 9)).any():
                return None
            found = np.where(inside, found * 10 + digits, found)
        return found
