"""FASTA and FASTQ text in pieces -> letters, lengths and digests of records: the compiled loop under `records`.

A scan keeps its state from piece to piece, so that a line of any length may be cut anywhere.
"""

from dataclasses import dataclass, field

import numpy as np
from numba import njit

PIECE_ROOM = 1 << 12
"""Records that end in one piece beyond one for every two of its bytes."""

HEADER, SEQUENCE, PLUS, QUALITY, LINE = range(5)
"""What a byte belongs to; LINE: it is the first of a line."""

EMPTY, NAMELESS, UNEQUAL, NO_NAME_LINE, NO_PLUS, CUT = range(6)
FAULTS = {
    EMPTY: "has no letters",
    NAMELESS: "has no name",
    UNEQUAL: "has another number of qualities than of letters",
    NO_NAME_LINE: "does not begin with '{mark}': the file is no {kind}, or a line before it was lost",
    NO_PLUS: "is no line '+': a FASTQ record has one line of letters (rewrite it with `seqtk seq -l 0`)",
    CUT: "is the last one, and stops in the middle of its record: the file is cut",
}
FATAL = (NO_NAME_LINE, NO_PLUS, CUT)
"""Faults behind which nothing can be read."""

_MOST_FAULTS = 64
_BASE = np.uint64(0x9E3779B97F4A7C15 | 1)
_KIND, _LINE, _RECORDS, _LENGTH, _QUALITIES, _WHERE, _NAME, _FAULTS, _STOPPED, _OPENED, _WORD = range(11)


@dataclass
class Scan:
    """What one piece of text gave.

    Attributes:
        letters: uint8 (n,), the letters of all records, as they are written.
        lengths: int64 (m,), of the m records that ended in this piece.
        digests: uint64 (m, 2), of each record's codes and of its reverse complement's.
        names: bytes of the names of records that began here, a newline behind each that is whole.
    """

    letters: np.ndarray
    lengths: np.ndarray
    digests: np.ndarray
    names: bytes


@dataclass
class Scanner:
    """Reads one file; `feed` its pieces in order, then `end`.

    Args:
        fastq: whether records have qualities.
        codes: uint8 (256,), what a letter counts as in digests.
        complements: uint8 (256,), the code of each code's complement.
    """

    fastq: bool
    codes: np.ndarray
    complements: np.ndarray
    state: np.ndarray = field(default_factory=lambda: np.zeros(11, np.int64))
    sums: np.ndarray = field(default_factory=lambda: np.zeros(3, np.uint64))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))
    found: np.ndarray = field(default_factory=lambda: np.zeros((_MOST_FAULTS, 3), np.int64))

    def __post_init__(self) -> None:
        self.state[_KIND] = LINE

    @property
    def records(self) -> int:
        """Records that have begun."""
        return int(self.state[_RECORDS])

    @property
    def line(self) -> int:
        """Number of the line that is being read, from 1."""
        return int(self.state[_LINE]) + 1

    @property
    def stopped(self) -> bool:
        """Whether a fault was met behind which nothing can be read."""
        return bool(self.state[_STOPPED])

    def faults(self) -> list[str]:
        """Return the faults that were met, the first 64, one line each."""
        kind, mark = ("FASTQ", "@") if self.fastq else ("FASTA", ">")
        told = []
        for code, record, line in self.found[: min(self.state[_FAULTS], _MOST_FAULTS)].tolist():
            who = f"line {line}" if code in FATAL else f"record {record} (line {line})"
            told.append(f"{who} {FAULTS[code].format(mark=mark, kind=kind)}")
        if self.state[_FAULTS] > _MOST_FAULTS:
            told.append(f"and {self.state[_FAULTS] - _MOST_FAULTS:,} more")
        return told

    def feed(self, piece: bytes) -> Scan:
        """Read the next piece."""
        text = np.frombuffer(piece, np.uint8)
        letters, names = np.empty(len(text), np.uint8), np.empty(2 * len(text) + 8, np.uint8)
        lengths = np.empty(len(text) // 2 + PIECE_ROOM, np.int64)
        digests = np.empty((len(lengths), 2), np.uint64)
        tables = (self.codes, self.complements)
        n, m, k = _scan(
            *(text, self.fastq, tables[0], tables[1], self.state, self.sums, self.counts, self.found),
            *(letters, lengths, digests, names),
        )
        return Scan(letters[:n], lengths[:m], digests[:m], names[:k].tobytes())

    def end(self) -> Scan:
        """Close the last record."""
        if self.state[_KIND] != LINE:  # the last line has no end
            closed = self.feed(b"\n")
        else:
            closed = Scan(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros((0, 2), np.uint64), b"")
        if self.fastq and self.state[_WHERE] != 0 and not self.stopped:
            _fault(self.state, self.found, CUT, self.state[_RECORDS], self.state[_LINE])
            self.state[_STOPPED] = 1
        if not self.fastq and self.records and not self.stopped:
            lengths, digests = np.empty(1, np.int64), np.empty((1, 2), np.uint64)
            _close(self.state, self.sums, self.found, lengths, digests, 0)
            closed.lengths = np.append(closed.lengths, lengths)
            closed.digests = np.concatenate([closed.digests, digests])
        return closed


def text_digest(text: bytes) -> int:
    """Return the 64-bit digest of a name: its place in splits."""
    return int(_text_digest(np.frombuffer(text, np.uint8)))


@njit(cache=True, nogil=True)
def text_digests(text, ends, out):  # pragma: no cover
    """Write the digest of each name into `out` uint64 (m,): names end at `ends` int64 (m,), one byte apart."""
    first = 0
    for number in range(ends.shape[0]):
        out[number] = _text_digest(text[first : ends[number]])
        first = ends[number] + 1


@njit(cache=True, nogil=True)
def _text_digest(text):  # pragma: no cover
    total = np.uint64(0xCBF29CE484222325)
    for byte in text:
        total = (total ^ np.uint64(byte)) * np.uint64(0x100000001B3)
    return _mixed(total)


@njit(cache=True, nogil=True)
def _mixed(x):  # pragma: no cover
    """Spread 64 bits (the finalizer of splitmix64; Steele, Lea & Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, nogil=True)
def _fault(state, found, code, record, line):  # pragma: no cover
    if state[_FAULTS] < found.shape[0]:
        found[state[_FAULTS], 0], found[state[_FAULTS], 1], found[state[_FAULTS], 2] = code, record, line
    state[_FAULTS] += 1


@njit(cache=True, nogil=True)
def _close(state, sums, found, lengths, digests, m):  # pragma: no cover
    """Write the length and digests of the open record as the m-th."""
    length = state[_LENGTH]
    if length == 0:
        _fault(state, found, EMPTY, state[_RECORDS], state[_OPENED])
    lengths[m] = length
    for strand in range(2):
        digests[m, strand] = _mixed(sums[strand] ^ _mixed(np.uint64(length)))


@njit(cache=True, nogil=True)
def _scan(
    text, fastq, codes, complements, state, sums, counts, found, letters, lengths, digests, names
):  # pragma: no cover
    n, m, k = 0, 0, 0
    kind, where = state[_KIND], state[_WHERE]  # where: of a FASTQ record, the line that comes next
    mark = 64 if fastq else 62
    length, forward, backward, power = state[_LENGTH], sums[0], sums[1], sums[2]
    for at in range(text.shape[0]):
        byte = text[at]
        if state[_STOPPED]:
            break
        if kind == LINE:
            blank = byte == 10 or byte == 13
            if not fastq:
                kind = HEADER if byte == mark else SEQUENCE
                if kind == SEQUENCE and state[_RECORDS] == 0 and not blank:
                    _fault(state, found, NO_NAME_LINE, 0, state[_LINE] + 1)
                    state[_STOPPED] = 1
                    break
            elif where == 0:
                kind = HEADER if byte == mark else SEQUENCE
                if kind == SEQUENCE and not blank:
                    _fault(state, found, NO_NAME_LINE, 0, state[_LINE] + 1)
                    state[_STOPPED] = 1
                    break
            else:
                kind = SEQUENCE if where == 1 else (PLUS if where == 2 else QUALITY)
                if kind == PLUS and byte != 43:
                    _fault(state, found, NO_PLUS, state[_RECORDS], state[_LINE] + 1)
                    state[_STOPPED] = 1
                    break
            if kind == HEADER:
                if not fastq and state[_RECORDS] > 0:
                    state[_LENGTH], sums[0], sums[1] = length, forward, backward
                    _close(state, sums, found, lengths, digests, m)
                    m += 1
                state[_RECORDS] += 1
                state[_OPENED] = state[_LINE] + 1
                state[_NAME], state[_WORD], state[_QUALITIES] = 0, 1, 0
                length, forward, backward, power = 0, np.uint64(0), np.uint64(0), np.uint64(1)
                continue
        if byte == 10:
            if kind == HEADER:
                if state[_NAME] == 0:
                    _fault(state, found, NAMELESS, state[_RECORDS], state[_LINE] + 1)
                names[k] = 10
                k += 1
                where = 1
            elif fastq and where > 0:
                where += 1
                if where == 4:
                    if state[_QUALITIES] != length:
                        _fault(state, found, UNEQUAL, state[_RECORDS], state[_OPENED])
                    state[_LENGTH], sums[0], sums[1] = length, forward, backward
                    _close(state, sums, found, lengths, digests, m)
                    m += 1
                    where = 0
            state[_LINE] += 1
            kind = LINE
        elif kind == SEQUENCE:
            if byte != 13 and byte != 32 and byte != 9:
                letters[n] = byte
                n += 1
                counts[byte] += 1
                length += 1
                code = codes[byte]
                forward = forward * _BASE + np.uint64(code)
                backward += np.uint64(complements[code]) * power
                power *= _BASE
        elif kind == HEADER:
            if byte == 32 or byte == 9 or byte == 13:
                state[_WORD] = 0
            elif state[_WORD]:
                state[_NAME] += 1
                names[k] = byte
                k += 1
        elif kind == QUALITY and byte != 13:
            state[_QUALITIES] += 1
    state[_KIND], state[_WHERE], state[_LENGTH] = kind, where, length
    sums[0], sums[1], sums[2] = forward, backward, power
    return n, m, k
