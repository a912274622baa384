"""Which regions of a genome, and which records of a file, belong to training, validation and test."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.files import sha256
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval, check_apart, read_bed, text_lines
from genomelm.seq.record_text import text_digest
from genomelm.training.data_config import SPLITS, SourceConfig, is_bed
from genomelm.training.pieces import Kept

COLUMNS = ["group", "split"]
_MOST_TOLD = 5


def genome_regions(source: SourceConfig, genome: Genome) -> dict[str, list[Interval]]:
    """Return the regions of each split.

    Raises:
        InputError: texts that are no contig or interval of the genome, all named.
        UsageError: splits that share bases.
    """
    faults: list[str] = []
    found = {split: _regions(getattr(source, split), genome, split, faults) for split in SPLITS}
    if faults:
        more = f"\n  and {len(faults) - _MOST_TOLD} more" if len(faults) > _MOST_TOLD else ""
        raise InputError(
            f"source {source.name}: {len(faults)} regions do not lie in {genome.path}\n  "
            + "\n  ".join(faults[:_MOST_TOLD])
            + more
        )
    if not source.train:
        taken = {region.contig for split in ("validation", "test") for region in found[split]}
        found["train"] = [Interval(name, 0, length) for name, length in genome.contigs.items() if name not in taken]
    check_apart(found["test"], found["train"], f"{source.name}: training region")
    check_apart(found["validation"], found["train"], f"{source.name}: training region")
    check_apart(found["test"], found["validation"], f"{source.name}: validation region")
    return found


def _regions(texts: Sequence[str], genome: Genome, split: str, faults: list[str]) -> list[Interval]:
    found = []
    for text in texts:
        if text in genome.contigs:
            named = [(text, Interval(text, 0, genome.contigs[text]))]
        elif is_bed(text):
            named = [(f"{text}: {interval}", interval) for interval in read_bed(text)]
        else:
            try:
                named = [(text, Interval.parse(text))]
            except InputError:
                faults.append(f"{split}: '{text}' is no contig, interval C:a-b or BED file")
                continue
        for name, interval in named:
            length = genome.contigs.get(interval.contig)
            if length is None:
                hint = genome.resolve(interval.contig)
                faults.append(f"{split}: {name}: there is no contig {interval.contig}" + (f"; {hint}?" if hint else ""))
            elif interval.end > length:
                faults.append(f"{split}: {name} passes the end of {interval.contig} ({length:,} bases)")
            else:
                found.append(Interval(interval.contig, interval.start, interval.end))
    return found


class RecordSplit:
    """Tells the split of records by the digests of their groups: a pure function of the group's name.

    Args:
        source: of records; its shares or its split file.

    Attributes:
        facts: what decides the splits, for the names of files made from them.

    Raises:
        InputError: a split file with faults, all named with their lines.
    """

    def __init__(self, source: SourceConfig) -> None:
        self.test, self.validation = source.test_share, source.validation_share
        self.named = None if source.split is None else _read_split(Path(source.split))
        self.facts = [self.validation, self.test] if source.split is None else [sha256(source.split)]

    def has(self, split: str) -> bool:
        """Whether a split can have records at all."""
        if self.named is not None:
            return split == "train" or SPLITS.index(split) in self.named[1]
        return {"train": 1.0, "validation": self.validation, "test": self.test}[split] > 0

    def kept(self, split: str) -> Kept:
        """Return what tells which groups (digests uint64 (n,)) a split has: bool (n,)."""
        number = SPLITS.index(split)
        return lambda groups: self.splits(groups) == number

    def splits(self, groups: np.ndarray) -> np.ndarray:
        """Return the place in SPLITS of each group's split, uint64 (n,) -> int64 (n,)."""
        if self.named is not None:
            digests, splits = self.named
            at = np.minimum(np.searchsorted(digests, groups), len(digests) - 1)
            return np.where(digests[at] == groups, splits[at], 0).astype(np.int64)
        place = groups / 2.0**64
        return np.where(place < self.test, 2, np.where(place < self.test + self.validation, 1, 0))


def _read_split(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the digests of the groups of a split file, sorted uint64 (n,), and their splits uint64 (n,)."""
    rows = csv.reader(text_lines(path), delimiter="\t")
    header = next(rows, [])
    if header != COLUMNS:
        raise InputError(f"split file {path} must have the columns {' and '.join(COLUMNS)}, not: {', '.join(header)}")
    faults, chosen = [], {}
    for number, row in enumerate(rows, 2):
        if not row:
            continue
        if len(row) != 2:
            faults.append(f"line {number} has {len(row)} columns")
        elif row[1] not in SPLITS:
            faults.append(f"line {number}: split '{row[1]}' is not one of {', '.join(SPLITS)}")
        elif chosen.setdefault(row[0], row[1]) != row[1]:
            faults.append(f"line {number}: '{row[0]}' is in {chosen[row[0]]} before")
    if faults or not chosen:
        told = faults[:_MOST_TOLD] + ([f"and {len(faults) - _MOST_TOLD} more"] if len(faults) > _MOST_TOLD else [])
        raise InputError(
            f"split file {path}: {len(faults)} faults\n  " + "\n  ".join(told) if faults else f"{path} names no group"
        )
    digests = np.array([text_digest(group.encode()) for group in chosen], np.uint64)
    order = np.argsort(digests)
    return digests[order], np.array([SPLITS.index(split) for split in chosen.values()], np.uint64)[order]
