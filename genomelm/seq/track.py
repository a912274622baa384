"""A signal over a genome: one number a base, from bigWig, bedGraph or BED."""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

from genomelm.errors import InputError
from genomelm.files import sha256
from genomelm.seq.assemblies import likely_assembly, plain_name
from genomelm.seq.bed_values import BedValues
from genomelm.seq.bgzf import compression_of
from genomelm.seq.bigwig import MAGIC, BigWig

_BIGWIG, _BEDGRAPH, _BED = (".bw", ".bigwig"), (".bedgraph", ".bdg", ".bg"), (".bed",)


class Track:
    """A track, opened and held against the genome that it is used with.

    A BED file never lacks a value: 0 outside of its intervals, 1 inside, or column 5 where every line has a number
    there. Overlapping intervals: the largest value holds.

    Args:
        path: a bigWig, or a file named .bedGraph, .bdg, .bg or .bed (plain, gzip or BGZF).
        contigs: the genome's contigs, name to length in bases.

    Attributes:
        path: the file that was given.
        contigs: the genome's contigs.

    Raises:
        InputError: missing, cut short, of no known kind, of another assembly, or without any contig of the genome.
    """

    def __init__(self, path: str | Path, contigs: Mapping[str, int]) -> None:
        self.path, self.contigs = Path(path), dict(contigs)
        self._signal = self._open()
        try:
            self._check_contigs()
        except InputError:
            self.close()
            raise

    def __enter__(self) -> "Track":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._signal.close()

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the file as it lies on disk."""
        return sha256(self.path)

    def values(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return the values of bases [start, end), float32 (end - start,), NaN where the track has none.

        Raises:
            InputError: the contig is not in the genome, the range leaves it, or the file is damaged there.
        """
        length = self.contigs.get(contig)
        if length is None:
            raise InputError(f"contig '{contig}' is not in the genome that {self.path} was opened for")
        if not 0 <= start <= end <= length:
            raise InputError(f"[{start}, {end}) does not lie in the {length:,} bases of {contig}")
        return self._signal.values(contig, start, end)

    def _open(self) -> BigWig | BedValues:
        compressed = compression_of(self.path) != "plain"
        name = self.path.name.lower().removesuffix(".gz").removesuffix(".bgz")
        with open(self.path, "rb") as stream:
            binary = stream.read(4) == MAGIC
        if binary or (name.endswith(_BIGWIG) and not compressed):
            return BigWig(self.path)
        if name.endswith(_BEDGRAPH + _BED):
            return BedValues(self.path, self.contigs, graph=name.endswith(_BEDGRAPH))
        raise InputError(
            f"{self.path} is no bigWig, and its name does not say what text it is: "
            "call it .bedGraph or .bed (.gz behind it where it is compressed)"
        )

    def _check_contigs(self) -> None:
        theirs = self._signal.contigs if isinstance(self._signal, BigWig) else self._signal.names
        if not self.contigs.keys() & theirs:
            raise InputError(f"{self.path} has no contig of the genome: {self._mismatch(theirs)}")
        if not isinstance(self._signal, BigWig):
            return  # text tells no lengths; its intervals have been held against the genome's
        for contig, length in theirs.items():
            ours = self.contigs.get(contig, length)
            if length != ours:
                assembly = likely_assembly(theirs)
                raise InputError(
                    f"{self.path}: {contig} has {length:,} bases in the track and {ours:,} in the genome: "
                    f"the track is of another assembly{f' ({assembly})' if assembly else ''}; "
                    "use the one made for this genome, or lift it over"
                )

    def _mismatch(self, theirs: Iterable[str]) -> str:
        ours = {plain_name(contig): contig for contig in self.contigs}
        for contig in theirs:
            if alias := ours.get(plain_name(contig)):
                return f"it says '{contig}' where the FASTA says '{alias}'; rename the contigs of one of the two"
        return f"it has {_some(theirs)}, the FASTA {_some(self.contigs)}; use the track made for this genome"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return (", ".join(names[:3]) or "none") + (", ..." if len(names) > 3 else "")
