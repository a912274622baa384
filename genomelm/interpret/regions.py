"""The sequences that are explained together: stretches of a genome, records of a FASTA file, or plain strings."""

import dataclasses
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from genomelm.errors import InputError, UsageError
from genomelm.interpret.likeness import Seen
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval, read_named_bed

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Region:
    """Where one sequence lies: 0-based, half-open, and read along `strand`.

    Attributes:
        id: the same in every file of a run: r0001 and so on, in input order.
        contig: as the genome spells it; of a FASTA record its name.
        name: as the input calls it, or empty.
    """

    id: str
    contig: str
    start: int
    end: int
    strand: str = "+"
    name: str = ""

    @property
    def interval(self) -> Interval:
        """The same place, without id and name."""
        return Interval(self.contig, self.start, self.end, self.strand)


@dataclasses.dataclass(frozen=True)
class Regions:
    """Sequences of one length.

    Attributes:
        rows: where each lies.
        sequences: upper-case letters of each, along its strand, all of `length` bases.
        contigs: contig -> bases of the genome; None where the sequences are of no genome.
    """

    rows: tuple[Region, ...]
    sequences: tuple[str, ...]
    contigs: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        assert len(self.rows) == len(self.sequences)
        for row, sequence in zip(self.rows, self.sequences, strict=True):
            if len(sequence) != self.length:
                first = self.rows[0]
                raise InputError(
                    f"regions are explained at one length, but {_called(first)} has {self.length} bases and "
                    f"{_called(row)} has {len(sequence)}: give --width, and each is cut to it around its middle"
                )
        if self.sequences and not self.length:
            raise InputError(f"region {_called(self.rows[0])} holds no bases")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def length(self) -> int:
        """Bases of each sequence."""
        return len(self.sequences[0]) if self.sequences else 0

    def take(self, indices: Iterable[int]) -> "Regions":
        """Return some of the regions, with the ids that they have."""
        chosen = list(indices)
        return Regions(tuple(self.rows[i] for i in chosen), tuple(self.sequences[i] for i in chosen), self.contigs)


def from_bed(genome: Genome, path: str | Path, width: int | None = None) -> Regions:
    """Return the regions of a BED file (plain or gzip) in file order; the name is column four.

    Args:
        width: bases of each, around its middle; None: as they are, all of one length.

    Raises:
        InputError: no region, one of another assembly, or unequal lengths.
    """
    listed = read_named_bed(path)
    if not listed:
        raise InputError(f"{path} holds no regions: give a BED file with contig, start and end, or --interval")
    places, names = zip(*listed, strict=True)
    return from_intervals(genome, places, width, names, str(path))


def from_intervals(
    genome: Genome,
    intervals: Sequence[Interval],
    width: int | None = None,
    names: Sequence[str] = (),
    source: str = "intervals",
) -> Regions:
    """Return regions of a genome, named as it spells their contigs.

    A window of `width` bases that would pass a contig's end is moved inwards.

    Raises:
        InputError: an interval is not in the genome, its contig is shorter than `width`, or unequal lengths.
    """
    moved, rows, sequences = 0, [], []
    for number, interval in enumerate(intervals):
        place = located(genome, interval, source)
        if width is not None:
            centred = place.start + len(place) // 2 - width // 2
            length = genome.contigs[place.contig]
            if length < width:
                raise InputError(f"{source}: {place.contig} has {length:,} bases, fewer than --width {width}")
            start = min(max(centred, 0), length - width)
            moved += start != centred
            place = dataclasses.replace(place, start=start, end=start + width)
        name = names[number] if names else ""
        rows.append(Region(_id(number), place.contig, place.start, place.end, place.strand, name))
        sequences.append(genome.fetch(place).upper())
    if moved:
        log.warning("%d of %d regions lie near a contig's end: their windows are moved inwards", moved, len(rows))
    return Regions(tuple(rows), tuple(sequences), dict(genome.contigs))


def from_fasta(path: str | Path, width: int | None = None) -> Regions:
    """Return the records of a FASTA file; each is its own contig, read forward.

    Args:
        width: bases that are kept of each, around its middle.

    Raises:
        InputError: no FASTA file, a name twice, a record shorter than `width`, or unequal lengths.
    """
    rows, sequences = [], []
    with Genome(path) as records:
        for number, (name, length) in enumerate(records.contigs.items()):
            if width is not None and length < width:
                raise InputError(f"{path}: record {name} has {length} bases, fewer than --width {width}")
            start = 0 if width is None else length // 2 - width // 2
            place = Interval(name, start, length if width is None else start + width)
            rows.append(Region(_id(number), name, place.start, place.end, name=name))
            sequences.append(records.fetch(place).upper())
    return Regions(tuple(rows), tuple(sequences))


def from_sequences(sequences: Sequence[str]) -> Regions:
    """Return strings of one length as regions of no genome."""
    if not sequences:
        raise UsageError("no sequence was given")
    rows = tuple(Region(_id(n), _id(n), 0, len(sequence)) for n, sequence in enumerate(sequences))
    return Regions(rows, tuple(sequence.upper() for sequence in sequences))


def apart(rows: Sequence[Region], sequences: Sequence[str]) -> list[int]:
    """Return the numbers of regions that tests may count, in input order: no two share a base of a contig, on either
    strand, and no two are nearly the same text (`likeness`). As many as can be stay of those that overlap.

    Regions that share bases are one observation, not two: a chance peak in what they share would be seen twice. So are
    records of a FASTA file that were cut from one place, or are copies of one text.
    """
    kept: list[int] = []
    ends: dict[str, int] = {}
    seen = Seen()
    for i in sorted(range(len(rows)), key=lambda i: (rows[i].end, i)):
        row = rows[i]
        if row.start >= ends.get(row.contig, 0) and not seen.holds(sequences[i]):
            kept.append(i)
            ends[row.contig] = row.end
            seen.take(sequences[i])
    return sorted(kept)


def _id(number: int) -> str:
    return f"r{number + 1:04}"


def _called(row: Region) -> str:
    return f"{row.contig}:{row.start + 1}-{row.end}" + (f" ({row.name})" if row.name not in ("", row.contig) else "")


def located(genome: Genome, interval: Interval, source: str) -> Interval:
    """Return an interval with its contig's name as the genome spells it.

    Args:
        source: where it was read, for messages.

    Raises:
        InputError: it is empty or not in the genome.
    """
    contig = genome.resolve(interval.contig)
    if contig is None:
        known = ", ".join(list(genome.contigs)[:5])
        raise InputError(f"{source}: contig '{interval.contig}' is not in {genome.path}, which has {known}")
    if interval.end > genome.contigs[contig]:
        raise InputError(
            f"{source}: {interval} passes the end of {contig} ({genome.contigs[contig]:,} bases) in {genome.path}: "
            "are the regions of another assembly?"
        )
    if not len(interval):
        raise InputError(f"{source}: {interval.contig} at {interval.start} holds no bases: a region needs one or more")
    return dataclasses.replace(interval, contig=contig)
