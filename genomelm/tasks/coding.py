"""Coding against intergenic windows from a genome and its GFF, split by position."""

from pathlib import Path

import numpy as np

from genomelm.runtime import counter_seed
from genomelm.seq.annotation import complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.annotated import annotated_intervals
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.regions import HeldOut

MOST_CODING = {"train": 1, "validation": 1, "test": 3}
"""Coding windows kept for each intergenic one: balanced training, a larger test."""


def coding_examples(gff: str | Path, genome: Genome, task: TaskConfig) -> Examples:
    """Cut windows that lie wholly in a CDS (label 1) or wholly outside every feature (label 0).

    Training windows of intergenic sequence overlap (`task.stride`); validation and test windows
    do not. Windows across a split's border are left out. Coding windows are thinned by a
    counter hash, so the same files give the same examples.

    Raises:
        InputError: the GFF names no contig of the genome, or has no CDS.
    """
    coding, features = annotated_intervals(gff, genome)
    held, windows = HeldOut(task.split, genome), []
    for contig, annotated in features.items():
        length = genome.contigs[contig]
        for label, intervals in ((1, coding.get(contig, [])), (0, complement(annotated, length))):
            for interval in intervals:
                windows += [(label, *found) for found in _windows(interval, label, task, held)]
    windows = _thin(windows)
    sequences = tuple(genome.fetch(window).upper() for _, window, _ in windows)
    return Examples(
        tuple(str(window) for _, window, _ in windows),
        sequences,
        np.array([label for label, _, _ in windows], np.float64),
        np.array([split for _, _, split in windows]),
        tuple(window for _, window, _ in windows),
    )


def _windows(interval: Interval, label: int, task: TaskConfig, held: HeldOut) -> list[tuple[Interval, str]]:
    found = []
    for split, region in held.of_contig(interval.contig):
        start, end = max(interval.start, region.start), min(interval.end, region.end)
        step = task.stride if split == "train" and label == 0 else task.width
        for position in range(start, end - task.width + 1, step):
            found.append((Interval(interval.contig, position, position + task.width), split))
    return found


def _thin(windows: list[tuple[int, Interval, str]]) -> list[tuple[int, Interval, str]]:
    kept = []
    for split, ratio in MOST_CODING.items():
        intergenic = [w for w in windows if w[2] == split and w[0] == 0]
        coding = [w for w in windows if w[2] == split and w[0] == 1]
        coding.sort(key=lambda w: counter_seed("coding", w[1].contig, w[1].start))
        kept += sorted(intergenic + coding[: ratio * len(intergenic)], key=lambda w: (w[1].contig, w[1].start))
    return kept
