"""Intervals on a contig: 0-based, half-open; text in the 1-based inclusive form that people type."""

import bisect
import gzip
import itertools
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from genomelm.errors import InputError, UsageError

_TEXT = re.compile(r"(?P<contig>.+):(?P<start>[\d,]+)-(?P<end>[\d,]+)(?::(?P<strand>[+-]))?")


@dataclass(frozen=True, order=True)
class Interval:
    """Bases [start, end) of a contig, read along `strand`."""

    contig: str
    start: int
    end: int
    strand: str = "+"

    def __post_init__(self) -> None:
        if self.start < 0 or self.end < self.start:
            raise InputError(
                f"interval {self.contig}:{self.start}-{self.end} (0-based, half-open) needs 0 <= start <= end"
            )
        if self.strand not in ("+", "-"):
            raise InputError(f"strand '{self.strand}' of {self.contig}:{self.start}-{self.end} is unknown; use + or -")

    def __len__(self) -> int:
        return self.end - self.start

    def __bool__(self) -> bool:
        """An interval is always true, an empty one too: `if window` asks whether there is one."""
        return True

    def __str__(self) -> str:
        return f"{self.contig}:{self.start + 1}-{self.end}{':-' if self.strand == '-' else ''}"

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """Read 'chr1:101-200' (1-based, both ends inside; commas allowed), with ':-' behind it for the reverse strand.

        Raises:
            InputError: the text is not an interval.
        """
        match = _TEXT.fullmatch(text.strip())
        if not match:
            raise InputError(f"'{text}' is not an interval; write it as chr1:101-200 or chr1:101-200:-")
        start, end = (int(match[key].replace(",", "") or 0) for key in ("start", "end"))
        if start < 1 or end < start - 1:
            raise InputError(f"interval '{text}' needs 1 <= start <= end (1-based, both ends inside)")
        return cls(match["contig"], start - 1, end, match["strand"] or "+")

    @property
    def other_strand(self) -> "Interval":
        """The same bases, read along the other strand."""
        return replace(self, strand="-" if self.strand == "+" else "+")

    def overlaps(self, other: "Interval") -> bool:
        """Whether the two share a base, on either strand."""
        return self.contig == other.contig and max(self.start, other.start) < min(self.end, other.end)


def read_bed(path: str | Path) -> list[Interval]:
    """Read a BED file (plain or gzip) in file order; the strand is column six, '+' where absent.

    Raises:
        InputError: a line with fewer than three columns, positions that are not whole numbers, or end < start.
    """
    return [interval for interval, _ in read_named_bed(path)]


def read_named_bed(path: str | Path) -> list[tuple[Interval, str]]:
    """Read a BED file as `read_bed` does, with each line's name: column four, empty where it is absent or '.'.

    Raises:
        InputError: as `read_bed`.
    """
    return list(_bed_lines(Path(path)))


def _bed_lines(path: Path) -> Iterator[tuple[Interval, str]]:
    for number, line in enumerate(text_lines(path), 1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        columns = line.rstrip("\r\n").split("\t") if "\t" in line else line.split()
        if len(columns) < 3:
            raise InputError(f"{path}:{number} has {len(columns)} columns; BED needs contig, start and end")
        try:
            start, end = int(columns[1]), int(columns[2])
        except ValueError:
            raise InputError(
                f"{path}:{number} start '{columns[1]}' or end '{columns[2]}' is not a whole number"
            ) from None
        if start < 0 or end < start:
            raise InputError(f"{path}:{number} has start {start} and end {end}; BED needs 0 <= start <= end")
        strand = columns[5] if len(columns) > 5 and columns[5] in ("+", "-") else "+"
        name = columns[3].strip() if len(columns) > 3 else ""
        yield Interval(columns[0], start, end, strand), "" if name == "." else name


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or gzip.

    Raises:
        InputError: the file is missing, is a folder, is not text, or its gzip stream is cut or damaged.
    """
    try:
        with open(path, "rb") as probe:
            compressed = probe.read(2) == b"\x1f\x8b"
        with (gzip.open if compressed else open)(path, "rt", encoding="utf-8") as stream:
            yield from stream
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, not a file") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is truncated or corrupt ({error}); fetch it again") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error})") from None


def check_apart(tested: Iterable[Interval], trained: Iterable[Interval], what: str = "--train-region") -> None:
    """Refuse held-out intervals that share bases with training ones.

    Raises:
        UsageError: naming the first pair.
    """
    others: dict[str, list[Interval]] = {}
    for train in trained:
        others.setdefault(train.contig, []).append(train)
    for contig, regions in others.items():
        others[contig] = sorted(regions)
    reach = {contig: list(itertools.accumulate((r.end for r in regions), max)) for contig, regions in others.items()}
    for test in tested:
        regions = others.get(test.contig, [])
        # The first region of those sorted by start that, with those before it, reaches past the test's start.
        first = bisect.bisect_right(reach.get(test.contig, []), test.start)
        for train in itertools.islice(regions, first, None):
            if train.start >= test.end:
                break
            if test.overlaps(train):
                raise UsageError(f"held-out {test} shares bases with {what} {train}: choose another region")
