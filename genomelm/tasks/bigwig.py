"""Windows of a genome with the values of a track: their mean, or one a base."""

from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.alphabet import MOST_FOREIGN
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.track import Track
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.tiles import tiled

LEAST_KNOWN = 0.5
"""Smallest share of a window's bases with a value."""


def track_examples(path: str | Path, genome: Genome, task: TaskConfig) -> Examples:
    """Cut neighbouring windows of the genome with their values of a bigWig, bedGraph or BED track.

    Windows are left out where less than half of the bases have a value, or more than a tenth of them are no A, C, G, T.

    Returns:
        Examples with labels (n,), the mean of the values there are, or with `per_base` (n, window), NaN where there is
        none.

    Raises:
        InputError: the track is unreadable or of another genome, or no window is left.
    """
    with Track(path, genome.contigs) as track:

        def wanted(window: Interval) -> bool:
            values = track.values(window.contig, window.start, window.end)
            if np.isfinite(values).mean() < LEAST_KNOWN:
                return False
            text = genome.fetch(window).upper()
            return sum(map(text.count, "ACGT")) >= (1 - MOST_FOREIGN) * len(text)

        chosen = tiled(genome.contigs, genome, task, task.width, wanted)
        if not chosen:
            raise InputError(
                f"{path} has values for fewer than half of the bases in every window of {task.width} bases: set "
                "another window, or use a track that covers the genome"
            )
        places = tuple(window for _, window in chosen)
        values = np.stack([track.values(place.contig, place.start, place.end) for place in places]).astype(np.float64)
    values[~np.isfinite(values)] = np.nan
    return Examples(
        tuple(map(str, places)),
        tuple(genome.fetch(place).upper() for place in places),
        values if task.per_base else np.nanmean(values, 1),
        np.array([split for split, _ in chosen]),
        places,
    )
