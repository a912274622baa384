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
        UsageError: another length, the other strand, or another place.
    """
    expected = model.config.head["reference"].upper()
    if not expected:
        return
    length = len(expected) if window is None else len(window)
    if window is None and width != len(expected):
        raise UsageError(
            f"the model's task has a reference of {len(expected)} bases: give its place with --window C:a-b[:-], "
            f"or --width {len(expected)}"
        )
    if length != len(expected):
        raise UsageError(f"{window} has {length} bases, but the reference of the model's task has {len(expected)}")
    if window is None:
        return
    found = genome.fetch(window).upper()
    other = reverse_complement(found)
    differing = sum(a != b for a, b in zip(found, expected, strict=True))
    if differing > sum(a != b for a, b in zip(other, expected, strict=True)):
        turned = Interval(window.contig, window.start, window.end, "+" if window.strand == "-" else "-")
        raise UsageError(f"{window} is read on the wrong strand: the reference of the model's task is at {turned}")
    if differing > length // 4:
        raise UsageError(
            f"{window} differs from the reference of the model's task in {differing} of {length} bases: "
            "give the place where that was measured"
        )
    if differing:
        log.warning("%s differs from the reference of the model's task in %d bases", window, differing)
