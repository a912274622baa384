"""Coding against intergenic windows from a genome and its GFF, split by position."""

from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.runtime import counter_seed
from genomelm.seq.annotation import complement, merge, read_gff
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples

TEST_FROM, VALIDATION_FROM = 0.90, 0.85
"""Shares of each contig where the test and validation regions begin."""
MOST_CODING = {"train": 1, "validation": 1, "test": 3}
"""Coding windows kept for each intergenic one: balanced training, a larger test."""


def coding_examples(gff: str | Path, genome: Genome, task: TaskConfig) -> Examples:
    """Cut windows that lie wholly in a CDS (label 1) or wholly outside every feature (label 0).

    Training windows of intergenic sequence overlap (`task.stride`); validation and test windows
    do not. Windows across a split's border are left out. Coding windows are thinned by a
    counter hash, so the same files give the same examples.

    Raises:
        InputError: the GFF names no contig of the genome.
    """
    coding: dict[str, list[Interval]] = {}
    other: dict[str, list[Interval]] = {}
    for feature in read_gff(gff):
        contig = genome.resolve(feature.contig)
        place = feature.interval
        # A line for the whole contig (region, chromosome, scaffold) says nothing about its bases.
        if contig is None or len(place) >= genome.contigs[contig]:
            continue
        # On a circular contig a feature may run on past the end.
        inside = Interval(contig, place.start, min(place.end, genome.contigs[contig]))
        other.setdefault(contig, []).append(inside)
        if feature.kind == "CDS":
            coding.setdefault(contig, []).append(inside)
    if not other:
        raise InputError(f"{gff} has no feature on {', '.join(list(genome.contigs)[:3])}: is it of another assembly?")
    windows = []
    for contig, features in other.items():
        length = genome.contigs[contig]
        for label, intervals in (
            (1, merge(coding.get(contig, []))),
            (0, complement(merge(features), length)),
        ):
            for interval in intervals:
                windows += [(label, *found) for found in _windows(interval, length, label, task)]
    windows = _thin(windows)
    sequences = tuple(genome.fetch(window).upper() for _, window, _ in windows)
    return Examples(
        tuple(str(window) for _, window, _ in windows),
        sequences,
        np.array([label for label, _, _ in windows], np.float64),
        np.array([split for _, _, split in windows]),
        tuple(window for _, window, _ in windows),
    )


def _windows(interval: Interval, length: int, label: int, task: TaskConfig) -> list[tuple[Interval, str]]:
    found = []
    borders = (("train", 0.0, VALIDATION_FROM), ("validation", VALIDATION_FROM, TEST_FROM), ("test", TEST_FROM, 1.0))
    for split, low, high in borders:
        start, end = max(interval.start, int(low * length)), min(interval.end, int(high * length))
        step = task.stride if split == "train" and label == 0 else task.window
        for position in range(start, end - task.window + 1, step):
            found.append((Interval(interval.contig, position, position + task.window), split))
    return found


def _thin(windows: list[tuple[int, Interval, str]]) -> list[tuple[int, Interval, str]]:
    kept = []
    for split, ratio in MOST_CODING.items():
        intergenic = [w for w in windows if w[2] == split and w[0] == 0]
        coding = [w for w in windows if w[2] == split and w[0] == 1]
        coding.sort(key=lambda w: counter_seed("coding", w[1].contig, w[1].start))
        kept += sorted(intergenic + coding[: ratio * len(intergenic)], key=lambda w: (w[1].contig, w[1].start))
    return kept
