"""What a model is told of a genome besides its bases: codon phases and conservation, by coordinate."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from genomelm.errors import UsageError
from genomelm.seq.codons import CodonPhases
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.track import Track


class SideTracks:
    """The opened files that a model's switches ask for; a context manager.

    Args:
        genome: what the files are of.
        codon, conserved: whether the model has positions.codon and branches.conservation on.
        codon_phase: GFF3 or GTF.
        conservation: bigWig, bedGraph or BED.

    Raises:
        UsageError: the model reads a file that is not given, or does not read one that is.
        InputError: a file is damaged or of another assembly.
    """

    def __init__(
        self,
        genome: Genome,
        codon: bool,
        conserved: bool,
        codon_phase: Path | None,
        conservation: Path | None,
    ) -> None:
        _check("--codon-phase", codon_phase, "positions.codon", codon)
        _check("--conservation", conservation, "branches.conservation", conserved)
        self._codons = None if codon_phase is None else CodonPhases(codon_phase, genome)
        self._conservation = None if conservation is None else Track(conservation, genome.contigs)

    def __enter__(self) -> "SideTracks":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._conservation is not None:
            self._conservation.close()

    def of(self, intervals: Sequence[Interval]) -> dict[str, list[np.ndarray]]:
        """Return what `make_batch` takes of the tracks, by its name: (l,) an interval, read along its strand."""
        found = {}
        if self._codons is not None:
            found["codon_phase"] = [self._codons.values(interval) for interval in intervals]
        if self._conservation is not None:
            found["conservation"] = [self._conserved(interval) for interval in intervals]
        return found

    def facts(self) -> dict[str, str]:
        """Return the files' digests, by what they tell."""
        files = {"codon_phase": self._codons, "conservation": self._conservation}
        return {name: file.digest for name, file in files.items() if file is not None}

    def _conserved(self, interval: Interval) -> np.ndarray:
        values = self._conservation.values(interval.contig, interval.start, interval.end)
        return values if interval.strand == "+" else values[::-1].copy()


def _check(option: str, path: Path | None, switch: str, reads: bool) -> None:
    if reads and path is None:
        raise UsageError(f"the model has {switch} on: give {option}, or switch it off in the model file")
    if path is not None and not reads:
        raise UsageError(f"{option} is for models with {switch} on, and this one has it off: leave it out")
