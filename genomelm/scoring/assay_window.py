"""A task that was measured on one sequence is scored where that sequence lies, on its strand."""

import logging

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

log = logging.getLogger(__name__)


def check_assay_window(model: GenomeModel, genome: Genome, window: Interval | None, width: int) -> None:
    """Hold a window against the reference sequence of the model's task; without such a sequence all pass.

    Raises:
        UsageError: another length, the other strand (of bases), or another place.
    """
    expected = model.config.head["reference"].upper().replace(*_as_dna(model))
    if not expected:
        return
    letters, place = ("residues", "C:a-b") if model.alphabet == "protein" else ("bases", "C:a-b[:-]")
    length = len(expected) if window is None else len(window)
    if window is None and width != len(expected):
        raise UsageError(
            f"the model's task has a reference of {len(expected)} {letters}: give its place with --window {place}, "
            f"or --width {len(expected)}"
        )
    if length != len(expected):
        raise UsageError(f"{window} has {length} {letters}, but the reference of the model's task has {len(expected)}")
    if window is None:
        return
    if model.alphabet == "protein" and window.strand == "-":
        raise UsageError(f"{window}: a protein has no strands; leave :{window.strand} out")
    found = genome.fetch(window).upper().replace(*_as_dna(model))
    differing = _differing(found, expected)
    if model.alphabet != "protein" and differing > _differing(reverse_complement(found), expected):
        turned = Interval(window.contig, window.start, window.end, "+" if window.strand == "-" else "-")
        raise UsageError(f"{window} is read on the wrong strand: the reference of the model's task is at {turned}")
    if differing > length // 4:
        raise UsageError(
            f"{window} differs from the reference of the model's task in {differing} of {length} {letters}: "
            "give the place where that was measured"
        )
    if differing:
        log.warning("%s differs from the reference of the model's task in %d %s", window, differing, letters)


def _as_dna(model: GenomeModel) -> tuple[str, str]:
    """Return what is written as what before bases are compared: U and T are one letter, but not of a protein."""
    return ("U", "U" if model.alphabet == "protein" else "T")


def _differing(found: str, expected: str) -> int:
    return sum(a != b for a, b in zip(found, expected, strict=True))
