"""Windows of a genome with a label for each base: in a CDS or not, split by position."""

from pathlib import Path

import numpy as np

from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.annotated import annotated_intervals
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.tiles import tiled


def token_examples(gff: str | Path, genome: Genome, task: TaskConfig) -> Examples:
    """Cut neighbouring windows; a base's label is 1 in a CDS of either strand, else 0.

    Windows lie side by side inside the regions of the splits; where a split has more than
    `task.windows` of them, a counter hash chooses, so the same files give the same examples.

    Returns:
        Examples with labels (n, window): column j is the label of base j of the window.

    Raises:
        InputError: the GFF names no contig of the genome, has no CDS, or no window fits.
    """
    coding, features = annotated_intervals(gff, genome)
    chosen = tiled(features, genome, task, task.width)
    places = tuple(window for _, window in chosen)
    return Examples(
        tuple(map(str, places)),
        tuple(genome.fetch(place).upper() for place in places),
        _labels(places, coding, task.width),
        np.array([split for split, _ in chosen]),
        places,
    )


def _labels(places: tuple[Interval, ...], coding: dict[str, list[Interval]], window: int) -> np.ndarray:
    """Return (n, window) float64: 1 inside the coding intervals, which are sorted and apart."""
    labels = np.zeros((len(places), window))
    borders = {contig: np.array([(i.start, i.end) for i in found]).ravel() for contig, found in coding.items()}
    for row, place in enumerate(places):
        if place.contig in borders:
            # An odd number of borders at or before a base: it lies between a start and its end.
            passed = np.searchsorted(borders[place.contig], np.arange(place.start, place.end), side="right")
            labels[row] = passed % 2
    return labels
