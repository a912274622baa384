"""Two scored VCFs, record by record: what is missing, which statuses differ, and how far the scores are apart.

Records are matched by contig, position and alleles; the k-th of several equal ones with the k-th. The files are read
side by side: memory holds what one of them has and the other has not had yet.
"""

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count, zip_longest
from pathlib import Path

from genomelm.errors import InputError
from genomelm.scoring.source import open_source
from genomelm.scoring.tags import Tags
from genomelm.seq.vcf import Header, VcfReader, name_of

TOLERANCE = 1e-4
TOP = 10

Key = tuple[bytes, bytes, bytes, bytes]
Value = tuple[str, float | None]
Values = list[Value]
"""A status and a score an allele; empty where a record has none."""


@dataclass(frozen=True)
class Difference:
    """One allele whose scores differ: `first` and `second` are the two."""

    contig: str
    pos: int
    ref: str
    alt: str
    first: float
    second: float


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Args:
        tags: of the two scores.
        records: of each file; matched of them.
        only_first, only_second: records that the other file lacks.
        alleles: of matched records, with a status in both files.
        statuses: "A -> B": alleles whose status changed so.
        unmarked: matched records that are scored or explained in one file only.
        scored: alleles with a score in both.
        differing: those further apart than `tolerance`.
        pearson: correlation of the scores; None for fewer than two alleles, or where one file's are all equal.
        mean_difference: of second minus first; None without scores.
        largest: the largest distance; None without scores.
        top: the alleles furthest apart, the furthest first.
        tolerance: distance up to which scores are equal.
    """

    tags: tuple[str, str]
    records: tuple[int, int]
    matched: int
    only_first: int
    only_second: int
    alleles: int
    statuses: dict[str, int]
    unmarked: int
    scored: int
    differing: int
    pearson: float | None
    mean_difference: float | None
    largest: float | None
    top: tuple[Difference, ...]
    tolerance: float

    @property
    def equal(self) -> bool:
        """Whether nothing is missing, no status differs, and no scores are further apart than the tolerance."""
        return not (self.only_first or self.only_second or self.statuses or self.unmarked or self.differing)

    def as_json(self) -> dict:
        """Return plain JSON values."""
        return {"equal": self.equal, **asdict(self)}


def compare(
    first: str | Path,
    second: str | Path,
    scratch: Path,
    *,
    tag: str | None = None,
    other_tag: str | None = None,
    top: int = TOP,
    tolerance: float = TOLERANCE,
) -> Comparison:
    """Compare one score of two outputs of `genomelm score`.

    Args:
        tag: INFO tag of the score; None: the only one that both files have.
        other_tag: that of the second file, where it is another.
        scratch, top, tolerance: as those of `compare_all`.

    Raises:
        InputError: a file is damaged, or has no such score.
    """
    found = compare_all(
        *(first, second, scratch),
        **{"tags": [tag] if tag else [], "other_tag": other_tag, "top": top, "tolerance": tolerance},
    )
    if len(found) > 1:
        raise InputError(f"{first} and {second} share {len(found)} scores ({_listed(found)}): say which")
    return found[0]


def compare_all(
    first: str | Path,
    second: str | Path,
    scratch: Path,
    *,
    tags: Sequence[str] = (),
    other_tag: str | None = None,
    top: int = TOP,
    tolerance: float = TOLERANCE,
) -> list[Comparison]:
    """Compare the scores of two outputs of `genomelm score`, tag by tag, such as those of a model's several outputs.

    Args:
        scratch: folder for copies of BCF files and of standard input.
        tags: INFO tags of the scores; empty: all that both files have.
        other_tag: that of the second file, where it is another; of a single tag.
        top: how many of the largest differences are listed of each score.
        tolerance: distance up to which scores are equal.

    Raises:
        InputError: a file is damaged, or has no such score, or they have none in common.
    """
    folders = [scratch / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    readers = [open_source(path, folder)[0] for path, folder in zip((first, second), folders, strict=True)]
    pairs = _pairs(readers, tags, other_tag)
    tallies = [_Tally(top, tolerance) for _ in pairs]
    read = [
        _records(reader, [Tags.in_header(reader.header, [pair[side]], reader.path) for pair in pairs])
        for side, reader in enumerate(readers)
    ]
    waiting: tuple[dict[Key, list[list[Values]]], ...] = ({}, {})
    counts = [0, 0]
    for both in zip_longest(*read):
        for side, record in enumerate(both):
            if record is None:
                continue
            key, values = record
            counts[side] += 1
            there = waiting[1 - side].get(key)
            if there is None:
                waiting[side].setdefault(key, []).append(values)
                continue
            other = there.pop(0)
            for tally, *own in zip(tallies, *((values, other) if side == 0 else (other, values)), strict=True):
                tally.add(key, *own)
            if not there:
                del waiting[1 - side][key]
    left = [sum(map(len, side.values())) for side in waiting]
    return [tally.comparison(pair, counts, left) for tally, pair in zip(tallies, pairs, strict=True)]


def _listed(found: Sequence[Comparison]) -> str:
    return ", ".join(one.tags[0] for one in found)


def _pairs(readers: list[VcfReader], tags: Sequence[str], other_tag: str | None) -> list[tuple[str, str]]:
    """Return the tags that are compared, of both files."""
    if tags:
        return [(tag, other_tag or tag) for tag in tags]
    found = [scores_in(reader.header) for reader in readers]
    shared = [name for name in found[0] if name in found[1]]
    if not shared:
        both = zip(readers, found, strict=True)
        lists = " and ".join(f"{', '.join(names) or 'no score'} ({reader.path})" for reader, names in both)
        raise InputError(f"the files share no score of genomelm: {lists}; say --tag, and --other-tag")
    return [(name, name) for name in shared]


def scores_in(header: Header) -> list[str]:
    """Return the tags of the scores in a file."""
    return [line.fields.get("ID", "") for line in header.structured("genomelm")]


def _records(reader: VcfReader, tags: Sequence[Tags]) -> Iterator[tuple[Key, list[Values]]]:
    """Yield each record's key, and its alleles' statuses and scores by each of the tags."""
    keys = [(one.scores[0].encode(), one.status.encode()) for one in tags]
    for number, line in reader.records():
        contig, pos, _, ref, alts, _, _, info = line.split(b"\t", 8)[:8]
        found = dict(item.partition(b"=")[::2] for item in info.rstrip(b"\r\n").split(b";"))
        record: list[Values] = []
        for score, status in keys:
            values: Values = []
            if status in found:
                scores, statuses = (found.get(key, b"").split(b",") for key in (score, status))
                if not len(scores) == len(statuses) == alts.count(b",") + 1:
                    raise InputError(
                        f"{reader.path}:{number} has not one {name_of(score)} and one {name_of(status)} an ALT"
                    )
                values = [(name_of(s), _number(v, reader, number)) for v, s in zip(scores, statuses, strict=True)]
            record.append(values)
        yield (contig, pos, ref.upper(), alts.upper()), record


def _number(text: bytes, reader: VcfReader, number: int) -> float | None:
    try:
        return None if text == b"." else float(text)
    except ValueError:
        raise InputError(f"{reader.path}:{number} has the score {text[:20]!r}, which is not a number") from None


class _Tally:
    """Adds matched records up."""

    def __init__(self, top: int, tolerance: float) -> None:
        self._top, self._tolerance = top, tolerance
        self._matched = self._alleles = self._unmarked = self._differing = 0
        self._statuses: Counter[str] = Counter()
        self._largest: list[tuple[float, int, Difference]] = []
        self._order = count(0, -1)  # of two equal distances, the first seen is kept
        self._n, self._furthest = 0, 0.0
        self._means, self._squares, self._product = [0.0, 0.0], [0.0, 0.0], 0.0

    def add(self, key: Key, first: Values, second: Values) -> None:
        self._matched += 1
        if not first or not second:
            self._unmarked += bool(first) != bool(second)
            return
        for alt, (status, score), (other_status, other) in zip(key[3].split(b","), first, second, strict=True):
            self._alleles += 1
            if status != other_status:
                self._statuses[f"{status} -> {other_status}"] += 1
            if score is not None and other is not None:
                self._moments(score, other)
                self._distance(key, alt, score, other)

    def _moments(self, score: float, other: float) -> None:
        """Add a point to running means and central sums (Welford, 1962)."""
        self._n += 1
        before = [score - self._means[0], other - self._means[1]]
        self._means = [mean + d / self._n for mean, d in zip(self._means, before, strict=True)]
        after = [score - self._means[0], other - self._means[1]]
        self._squares = [s + b * a for s, b, a in zip(self._squares, before, after, strict=True)]
        self._product += before[0] * after[1]

    def _distance(self, key: Key, alt: bytes, score: float, other: float) -> None:
        distance = abs(other - score)
        self._differing += distance > self._tolerance
        self._furthest = max(self._furthest, distance)
        if distance == 0 or self._top == 0:
            return
        if len(self._largest) == self._top and distance <= self._largest[0][0]:
            return
        contig, pos, ref, _ = key
        row = Difference(name_of(contig), int(pos), name_of(ref), name_of(alt), score, other)
        push = heapq.heappush if len(self._largest) < self._top else heapq.heappushpop
        push(self._largest, (distance, next(self._order), row))

    def comparison(self, tags: tuple[str, str], records: list[int], left: list[int]) -> Comparison:
        spread = math.sqrt(self._squares[0] * self._squares[1])
        rows = [row for _, _, row in sorted(self._largest, key=lambda item: (-item[0], -item[1]))]
        known = self._n > 0
        return Comparison(
            tags=tags,
            records=(records[0], records[1]),
            matched=self._matched,
            only_first=left[0],
            only_second=left[1],
            alleles=self._alleles,
            statuses=dict(sorted(self._statuses.items())),
            unmarked=self._unmarked,
            scored=self._n,
            differing=self._differing,
            pearson=self._product / spread if self._n > 1 and spread > 0 else None,
            mean_difference=self._means[1] - self._means[0] if known else None,
            largest=self._furthest if known else None,
            top=tuple(rows),
            tolerance=self._tolerance,
        )
