"""A reference genome on disk: any interval of it, in bounded memory."""

import functools
import os
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import pysam

from genomelm.errors import InputError
from genomelm.files import sha256
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.assemblies import plain_name
from genomelm.seq.fasta_index import indexed, read_rows
from genomelm.seq.interval import Interval

_CHUNK = 1 << 16  # bases a cached piece
_CHUNKS = 256  # pieces kept: 16 MiB


class Genome:
    """A FASTA file (plain, BGZF, or plain gzip), opened for random access.

    Args:
        path: the FASTA file. A plain gzip file is compressed again to BGZF in the cache.
        cache_dir: where copies and indexes go that cannot lie beside the file; by default GENOMELM_CACHE,
            or XDG_CACHE_HOME/genomelm, or ~/.cache/genomelm.
        any_letters: take records that are no nucleotides, such as proteins.
        circular: contigs whose last base is followed by their first: an interval of theirs may run on past the end, by
            less than one turn. Aliases count.

    Attributes:
        path: the file that was given.
        contigs: name to length in bases, in file order.
        circular: contigs that were declared circular, as the file spells them.

    Raises:
        InputError: missing, empty, truncated, protein (unless any_letters), HTML, or a contig name twice; or it has no
            contig of a name that is declared circular.
    """

    def __init__(
        self,
        path: str | Path,
        cache_dir: str | Path | None = None,
        any_letters: bool = False,
        circular: Iterable[str] = (),
    ) -> None:
        self.path = Path(path)
        self._cache_dir, self._any_letters = cache_dir, any_letters
        self._files = indexed(self.path, cache_dir, any_letters)
        self.contigs: dict[str, int] = {row.name: row.length for row in read_rows(self._files.fai)}
        self._by_plain_name: dict[str, list[str]] = {}
        for name in self.contigs:
            self._by_plain_name.setdefault(plain_name(name), []).append(name)
        self.circular: frozenset[str] = frozenset(map(self._own_name, circular))
        self._pieces: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._reader: pysam.FastaFile | None = None
        self._reader_pid = -1

    def __enter__(self) -> "Genome":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple:
        return Genome, (self.path, self._cache_dir, self._any_letters, sorted(self.circular))

    def close(self) -> None:
        """Close the file; a later fetch opens it again."""
        if self._reader is not None and self._reader_pid == os.getpid():
            self._reader.close()
        self._reader = None
        self._pieces.clear()

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the file as it lies on disk."""
        return sha256(self.path)

    def fetch(self, interval: Interval) -> str:
        """Return the bases of an interval in the file's own case, along the interval's strand.

        Raises:
            InputError: the contig is not in the file, or the interval passes its end.
        """
        length = self.contigs.get(interval.contig)
        if length is None:
            raise InputError(self._unknown(interval.contig))
        if interval.end > length and interval.contig in self.circular and interval.start < length >= len(interval):
            pieces = (interval.start, length), (0, interval.end - length)
            sequence = "".join(self.fetch(Interval(interval.contig, *piece)) for piece in pieces)
            return reverse_complement(sequence) if interval.strand == "-" else sequence
        if interval.end > length:
            raise InputError(f"{interval} passes the end of {interval.contig} ({length:,} bases) in {self.path}")
        first, last = interval.start // _CHUNK, max(interval.end - 1, interval.start) // _CHUNK
        if last - first >= _CHUNKS // 4:  # a long read would only push everything else out of the cache
            sequence = self._read(interval.contig, interval.start, interval.end)
        elif first == last:
            base = first * _CHUNK
            sequence = self._piece(interval.contig, first)[interval.start - base : interval.end - base]
        else:
            joined = "".join(self._piece(interval.contig, number) for number in range(first, last + 1))
            sequence = joined[interval.start - first * _CHUNK : interval.end - first * _CHUNK]
        return reverse_complement(sequence) if interval.strand == "-" else sequence

    def resolve(self, name: str, length: int | None = None) -> str | None:
        """Return the file's name for a contig that another file calls `name`, or None.

        Args:
            name: as the other file spells it: chr1, 1, M, MT, NC_000001.11.
            length: its length there, when known; a contig of another length is not the same one.
        """
        candidates = [name] if name in self.contigs else self._by_plain_name.get(plain_name(name), [])
        fitting = [contig for contig in candidates if length is None or self.contigs[contig] == length]
        return fitting[0] if len(fitting) == 1 else None

    def _own_name(self, name: str) -> str:
        found = self.resolve(name)
        if found is None:
            raise InputError(self._unknown(name))
        return found

    def _unknown(self, name: str) -> str:
        hint = self.resolve(name)
        listed = f"{', '.join(list(self.contigs)[:5])}{', ...' if len(self.contigs) > 5 else ''}"
        return f"contig '{name}' is not in {self.path}; " + (f"did you mean '{hint}'?" if hint else f"it has {listed}")

    def _piece(self, contig: str, number: int) -> str:
        key = (contig, number)
        piece = self._pieces.get(key)
        if piece is not None:
            self._pieces.move_to_end(key)
            return piece
        piece = self._read(contig, number * _CHUNK, min((number + 1) * _CHUNK, self.contigs[contig]))
        self._pieces[key] = piece
        if len(self._pieces) > _CHUNKS:
            self._pieces.popitem(last=False)
        return piece

    def _read(self, contig: str, start: int, end: int) -> str:
        if start >= end:
            return ""
        # a forked worker must not share its parent's file position
        if self._reader is None or self._reader_pid != os.getpid():
            files = self._files
            self._reader = pysam.FastaFile(str(files.path), str(files.fai), str(files.gzi) if files.gzi else None)
            self._reader_pid = os.getpid()
        sequence = self._reader.fetch(contig, start, end)
        if len(sequence) != end - start:
            raise InputError(
                f"{self.path} gave {len(sequence):,} bases for {contig}:{start + 1}-{end}: "
                "the file changed while it was open"
            )
        return sequence
