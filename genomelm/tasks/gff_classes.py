"""Classes of GFF features: windows inside features of one class, or a class for each base."""

import logging
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.annotation import complement, merge, on_contig, read_gff
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import SPLITS, Examples
from genomelm.tasks.regions import HeldOut
from genomelm.tasks.tiles import thinned, tiled

log = logging.getLogger(__name__)

Found = dict[str, dict[str, list[Interval]]]
"""Class -> contig -> its features, on either strand."""


def gff_class_examples(gff: str | Path, genome: Genome, task: TaskConfig) -> Examples:
    """Cut windows of a genome whose classes are the types of the features there.

    sequence_classification: windows that lie wholly inside features of one class, and touch none of another one;
    `background` is the class of windows outside every feature of the file. They are read along their feature's strand,
    or, where the task is of two strands, the forward one. Training windows overlap (`task.stride`).
    token_classification: windows side by side, each base with the class of the features that cover it, the first one
    in `features` where several do; `background` where none does.

    Raises:
        InputError: the GFF names no contig of the genome, or a class has no feature.
    """
    found, every = _features(gff, genome, task)
    if task.kind == "token_classification":
        return _tokens(found, genome, task)
    return _sequences(found, every, genome, task)


def _features(gff: str | Path, genome: Genome, task: TaskConfig) -> tuple[Found, dict[str, list[Interval]]]:
    """Return the features of each class, and by contig all features of the file."""
    found: Found = {name: {} for name in task.class_names}
    every: dict[str, list[Interval]] = {}
    kinds: dict[str, None] = {}
    for feature in read_gff(gff):
        contig = genome.resolve(feature.contig)
        kinds[feature.kind] = None
        if contig is None:
            continue
        pieces = on_contig(feature, contig, genome.contigs[contig])
        if sum(map(len, pieces)) < genome.contigs[contig]:  # a line for the whole contig says nothing about its bases
            every.setdefault(contig, []).extend(pieces)
        if feature.kind in task.features:
            found[task.features[feature.kind]].setdefault(contig, []).extend(pieces)
    if not every:
        raise InputError(f"{gff} has no feature on {', '.join(list(genome.contigs)[:3])}: is it of another assembly?")
    if absent := [name for name, places in found.items() if not places and name != task.background]:
        wanted = [kind for kind, name in task.features.items() if name in absent]
        raise InputError(
            f"{gff} has no feature of type {', '.join(wanted)} (class {', '.join(absent)}); its types: "
            f"{', '.join(list(kinds)[:12])}"
        )
    return found, every


def _sequences(found: Found, every: dict[str, list[Interval]], genome: Genome, task: TaskConfig) -> Examples:
    held = HeldOut(task.split, genome)
    windows: dict[tuple[str, int], list[Interval]] = {}
    for number, name in enumerate(task.class_names):
        for contig in every:
            for place in _alone(name, contig, found, every, genome, task):
                for split, region in held.of_contig(contig):
                    start, end = max(place.start, region.start), min(place.end, region.end)
                    step = task.stride if split == "train" else task.width
                    cut = windows.setdefault((split, number), [])
                    for at in range(start, end - task.width + 1, step):
                        cut.append(Interval(contig, at, at + task.width, place.strand))
    most = max(1, task.windows // len(task.class_names))
    chosen = [
        (split, number, window)
        for split in SPLITS
        for number, name in enumerate(task.class_names)
        for window in thinned(windows.get((split, number), []), most, f"class {name}")
    ]
    if not chosen:
        raise InputError(f"no window of {task.width} bases fits into the features: set a shorter window")
    places = tuple(window for *_, window in chosen)
    return Examples(
        tuple(map(str, places)),
        tuple(genome.fetch(place).upper() for place in places),
        np.array([number for _, number, _ in chosen], np.float64),
        np.array([split for split, *_ in chosen]),
        places,
    )


def _alone(
    name: str, contig: str, found: Found, every: dict[str, list[Interval]], genome: Genome, task: TaskConfig
) -> list[Interval]:
    """Return where a contig holds features of one class and of no other; of the background, no feature at all."""
    length = genome.contigs[contig]
    own = found[name].get(contig, [])
    if name == task.background:
        others = [place for kind, places in found.items() if kind != name for place in places.get(contig, [])]
        outside = complement([*every[contig], *others], length)
        return sorted([*outside, *own])
    others = [place for kind, places in found.items() if kind != name for place in places.get(contig, [])]
    free = complement(others, length) if others else [Interval(contig, 0, length)]
    strands = ("+",) if task.two_strands else ("+", "-")
    alone = []
    for strand in strands:
        for place in merge(p for p in own if task.two_strands or p.strand == strand):
            for gap in free:
                start, end = max(place.start, gap.start), min(place.end, gap.end)
                if start < end:
                    alone.append(Interval(contig, start, end, strand))
    return alone


def _tokens(found: Found, genome: Genome, task: TaskConfig) -> Examples:
    if not task.background:
        raise InputError(
            f"task '{task.name}' labels every base: name the class of bases outside the features as background"
        )
    numbers = {name: number for number, name in enumerate(task.class_names)}
    contigs = [contig for contig in genome.contigs if any(contig in places for places in found.values())]
    chosen = tiled(contigs, genome, task, task.width)
    places = tuple(window for _, window in chosen)
    labels = np.full((len(places), task.width), numbers[task.background], np.float64)
    first = {name: rank for rank, name in enumerate(dict.fromkeys(task.features.values()))}
    # The first class in `features` is written last: it covers the others.
    for name in sorted(first, key=first.get, reverse=True):
        merged = {contig: merge(intervals) for contig, intervals in found[name].items()}
        for row, window in enumerate(places):
            for place in _inside(merged.get(window.contig, []), window):
                start, end = max(place.start, window.start), min(place.end, window.end)
                labels[row, start - window.start : end - window.start] = numbers[name]
    return Examples(
        tuple(map(str, places)),
        tuple(genome.fetch(place).upper() for place in places),
        labels,
        np.array([split for split, _ in chosen]),
        places,
    )


def _inside(places: list[Interval], window: Interval) -> list[Interval]:
    """Return which of a contig's places, sorted and apart, share bases with a window."""
    first = np.searchsorted([place.end for place in places], window.start, side="right")
    last = np.searchsorted([place.start for place in places], window.end, side="left")
    return places[first:last]
