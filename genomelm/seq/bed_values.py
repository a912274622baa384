"""Values along contigs from BED and bedGraph text (plain, gzip or BGZF)."""

import heapq
import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.bgzf import compression_of, lines


@dataclass(frozen=True)
class Steps:
    """A signal of one contig that is constant on disjoint sorted intervals.

    Args:
        starts, ends: int64 (m,), 0-based, half-open.
        values: float32 (m,).
    """

    starts: np.ndarray
    ends: np.ndarray
    values: np.ndarray

    def between(self, start: int, end: int, outside: float) -> np.ndarray:
        """Return float32 (end - start,), `outside` where no interval lies."""
        inside = slice(np.searchsorted(self.ends, start, side="right"), np.searchsorted(self.starts, end))
        edges = np.stack([self.starts[inside], self.ends[inside]], axis=1).clip(start, end).ravel()
        values = np.full(len(edges) + 1, outside, np.float32)
        values[1::2] = self.values[inside]
        return np.repeat(values, np.diff(edges, prepend=start, append=end))


@dataclass
class _Lines:
    """The intervals of one contig in file order."""

    starts: array = field(default_factory=lambda: array("q"))
    ends: array = field(default_factory=lambda: array("q"))
    values: array = field(default_factory=lambda: array("f"))


class BedValues:
    """A BED or bedGraph file in memory, 20 bytes an interval.

    bedGraph: the value is column 4, none outside of the intervals. BED: 1 inside and 0 outside; where column 5
    holds a number on every line, and not 0 on all, that number inside. Where intervals overlap the largest
    value holds.

    Args:
        path: the file.
        lengths: contig name to bases; intervals of other contigs are left out.
        graph: read it as bedGraph; a `track type=bedGraph` line says so too.

    Attributes:
        names: the contigs that the file names, in file order.

    Raises:
        InputError: unreadable, no interval in it, a line that is none, or an interval past its contig's end.
    """

    def __init__(self, path: str | Path, lengths: Mapping[str, int], graph: bool) -> None:
        self.path, self._graph, self._scored = Path(path), graph, True
        self.names: dict[str, None] = {}
        found: dict[str, _Lines] = {}
        for number, contig, start, end, value in self._intervals():
            self.names[contig] = None
            length = lengths.get(contig)
            if length is None:
                continue
            if end > length:
                raise InputError(
                    f"{self.path}:{number} ends at {contig}:{end:,}, but {contig} of the genome has {length:,} bases: "
                    "the track is of another assembly; use the one made for this genome"
                )
            if end == start or math.isnan(value):
                continue
            kept = found.setdefault(contig, _Lines())
            kept.starts.append(start)
            kept.ends.append(end)
            kept.values.append(value)
        if not self.names:
            raise InputError(f"{self.path} holds no interval: the step that made it probably failed")
        plain = not self._graph and not (self._scored and any(any(kept.values) for kept in found.values()))
        self._steps = {contig: _steps(kept, plain) for contig, kept in found.items()}

    def close(self) -> None:
        """Nothing is open."""

    def values(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return float32 (end - start,), NaN where a bedGraph has no value."""
        outside = np.nan if self._graph else 0.0
        if contig not in self._steps:
            return np.full(end - start, outside, np.float32)
        return self._steps[contig].between(start, end, outside)

    def _intervals(self) -> Iterator[tuple[int, str, int, int, float]]:
        """Yield line number, contig, start, end and value; a BED line without a number clears `_scored`."""
        for number, line in enumerate(lines(self.path, compression_of(self.path)), 1):
            columns = line.rstrip(b"\r\n").split(b"\t") if b"\t" in line else line.split()
            first = columns[0] if columns else b""
            if not first.strip() or first.startswith(b"#") or first.split()[0] in (b"track", b"browser"):
                self._graph |= b"type=bedgraph" in line.lower()
                continue
            needed = 4 if self._graph else 3
            if len(columns) < needed:
                raise InputError(
                    f"{self.path}:{number} has {len(columns)} columns; {'bedGraph' if self._graph else 'BED'} needs "
                    f"contig, start{', end and value' if self._graph else ' and end'}"
                )
            if not (columns[1].isdigit() and columns[2].isdigit() and int(columns[1]) <= int(columns[2])):
                raise InputError(
                    f"{self.path}:{number} start '{_text(columns[1])}' and end '{_text(columns[2])}' are no range "
                    "(0-based, half-open)"
                )
            yield number, _text(first), int(columns[1]), int(columns[2]), self._value(columns, number)

    def _value(self, columns: list[bytes], number: int) -> float:
        if self._graph:
            try:
                value = float(columns[3])
            except ValueError:
                value = math.inf
            if math.isinf(value):
                raise InputError(f"{self.path}:{number} value '{_text(columns[3])}' is not a number")
            return value
        if self._scored:
            try:
                value = float(columns[4])
            except (IndexError, ValueError):
                value = math.nan
            if math.isfinite(value):
                return value
            self._scored = False
        return 1.0


def _text(column: bytes) -> str:
    return column.decode("utf-8", "replace")


def _steps(kept: _Lines, plain: bool) -> Steps:
    starts, ends = (np.frombuffer(column, np.int64) for column in (kept.starts, kept.ends))
    values = np.ones(len(starts), np.float32) if plain else np.frombuffer(kept.values, np.float32)
    order = np.argsort(starts, kind="stable")
    starts, ends, values = starts[order], ends[order], values[order]
    if (starts[1:] >= ends[:-1]).all():
        return Steps(starts, ends, values)
    if (values == values[0]).all():
        reach = np.maximum.accumulate(ends)
        apart = starts[1:] > reach[:-1]
        return Steps(starts[np.append(True, apart)], reach[np.append(apart, True)], values[: apart.sum() + 1])
    return _largest(starts, ends, values)


def _largest(starts: np.ndarray, ends: np.ndarray, values: np.ndarray) -> Steps:
    """Return the steps of overlapping intervals (m,), sorted by start: the largest value that covers a base holds."""
    edges = np.unique(np.concatenate([starts, ends]))
    held = np.full(len(edges) - 1, np.nan, np.float32)
    coming = list(zip(starts.tolist(), ends.tolist(), values.tolist(), strict=True))[::-1]
    open_: list[tuple[float, int]] = []  # (-value, end), the largest value first
    for number, edge in enumerate(edges[:-1].tolist()):
        while coming and coming[-1][0] <= edge:
            _, end, value = coming.pop()
            heapq.heappush(open_, (-value, end))
        while open_ and open_[0][1] <= edge:
            heapq.heappop(open_)
        if open_:
            held[number] = -open_[0][0]
    covered = ~np.isnan(held)
    return Steps(edges[:-1][covered], edges[1:][covered], held[covered])
