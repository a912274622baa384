"""The scores of a saturation as arrays and as a track, read back from the VCF that holds them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyBigWig
import pysam

from genomelm.errors import UsageError
from genomelm.files import atomic_path, write_json
from genomelm.scoring.saturate import merged_intervals
from genomelm.scoring.tags import Tags
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.vcf import name_of

LETTERS = "ACGT"


def read_effects(
    vcf: str | Path, tag: str, genome: Genome, intervals: Sequence[Interval]
) -> dict[Interval, np.ndarray]:
    """Return the scores of `read_all_effects` by one tag."""
    return read_all_effects(vcf, [tag], genome, intervals)[tag]


def read_all_effects(
    vcf: str | Path, tags: Sequence[str], genome: Genome, intervals: Sequence[Interval]
) -> dict[str, dict[Interval, np.ndarray]]:
    """Return by tag the scores of each interval's substitutions, float64 (l, 4), columns ACGT of the forward strand.

    The reference base has 0, and so has a row of an unknown base; NaN stands where a substitution has no score.

    Args:
        vcf: bgzipped, of `saturate` after `annotate`.
        tags: INFO tags of the scores.
        genome: the reference. intervals: those that were saturated.
    """
    merged = merged_intervals(genome, intervals)
    whole: dict[str, dict[Interval, np.ndarray]] = {tag: {} for tag in tags}
    for interval in merged:
        sequence = genome.fetch(interval).upper()
        for values in whole.values():
            values[interval] = np.array(
                [[0.0 if base == letter or base not in LETTERS else np.nan for letter in LETTERS] for base in sequence]
            )
    places = iter(merged)
    here = next(places, None)
    with pysam.BGZFile(str(vcf), "rb") as stream:
        for line in stream:
            if line.startswith(b"#"):
                continue
            columns = line.split(b"\t", 8)
            contig, place = name_of(columns[0]), int(columns[1]) - 1
            while not (here.contig == contig and here.start <= place < here.end):
                here = next(places)
            found = dict(entry.partition(b"=")[::2] for entry in columns[7].strip().split(b";"))
            for tag, values in whole.items():
                value = found.get(tag.encode(), b".")
                letter = LETTERS.index(columns[4].decode())
                values[here][place - here.start, letter] = np.nan if value == b"." else float(value)
    return {tag: {interval: _cut(values, interval) for interval in intervals} for tag, values in whole.items()}


def _cut(whole: Mapping[Interval, np.ndarray], interval: Interval) -> np.ndarray:
    for place, effects in whole.items():
        if place.contig == interval.contig and place.start <= interval.start and interval.end <= place.end:
            return effects[interval.start - place.start : interval.end - place.start]
    return np.zeros((0, 4))  # an empty interval


def write_effects(
    vcf: str | Path,
    tags: Tags,
    genome: Genome,
    intervals: Sequence[Interval],
    facts: Mapping[str, object],
    *,
    arrays: Path | None = None,
    bigwig: Path | None = None,
) -> None:
    """Write what is asked for of a saturation's scores; of several outputs, arrays and a track NAME.TAG.bw of each.

    Raises:
        UsageError: as `write_arrays` and `write_track`.
    """
    effects = read_all_effects(vcf, tags.scores, genome, intervals)
    if arrays and tags.several:
        write_all_arrays(arrays, effects, facts)
    elif arrays:
        write_arrays(arrays, effects[tags.scores[0]], facts)
    for tag, own in effects.items() if bigwig else ():
        write_track(bigwig.with_suffix(f".{tag}{bigwig.suffix}") if tags.several else bigwig, own, genome, facts)


def write_arrays(path: str | Path, effects: Mapping[Interval, np.ndarray], facts: Mapping[str, object]) -> None:
    """Write one array (l, 4) an interval, by its name and along its strand, columns ACGT; and PATH.json.

    Raises:
        UsageError: the file is not named .npz.
    """
    _write_arrays(path, {str(interval): _along(interval, values) for interval, values in effects.items()}, facts)


def write_all_arrays(
    path: str | Path, effects: Mapping[str, Mapping[Interval, np.ndarray]], facts: Mapping[str, object]
) -> None:
    """Write those of several scores, named by the interval, a space and the tag; likewise."""
    named = {
        f"{interval} {tag}": _along(interval, values)
        for tag, own in effects.items()
        for interval, values in own.items()
    }
    _write_arrays(path, named, facts)


def _along(interval: Interval, values: np.ndarray) -> np.ndarray:
    return values[::-1, ::-1] if interval.strand == "-" else values


def _write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, object]) -> None:
    """Write arrays and PATH.json.

    Raises:
        UsageError: the file is not named .npz.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise UsageError(f"--arrays {path} holds arrays: name it .npz")
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **arrays)
    write_json(f"{path}.json", {"letters": LETTERS, "arrays": list(arrays), "provenance": dict(facts)})


def write_track(
    path: str | Path, effects: Mapping[Interval, np.ndarray], genome: Genome, facts: Mapping[str, object]
) -> None:
    """Write a bigWig with the mean score of each base's substitutions; bases without any are left out; and PATH.json.

    Raises:
        UsageError: the file is not named .bw or .bigWig, or no base has a score.
    """
    path = Path(path)
    if path.suffix.lower() not in (".bw", ".bigwig"):
        raise UsageError(f"--bigwig {path} holds a track: name it .bw")
    found = []
    for place in merged_intervals(genome, list(effects)):
        track = np.full(len(place), np.nan)
        for interval, values in effects.items():
            if place.contig == interval.contig and place.start <= interval.start and interval.end <= place.end:
                track[interval.start - place.start : interval.end - place.start] = _means(genome, interval, values)
        found.append((place, track))
    if not any(np.isfinite(track).any() for _, track in found):
        raise UsageError(f"no base has a score, and a bigWig cannot be empty: leave --bigwig {path} out")
    with atomic_path(path) as temporary, pyBigWig.open(str(temporary), "w") as stream:
        stream.addHeader(list(genome.contigs.items()))
        for place, track in found:
            for first, end in _runs(np.isfinite(track)):
                stream.addEntries(place.contig, place.start + first, values=track[first:end].tolist(), span=1, step=1)
    write_json(f"{path}.json", {"value": "mean score of the base's three substitutions", "provenance": dict(facts)})


def _means(genome: Genome, interval: Interval, values: np.ndarray) -> np.ndarray:
    """Return the mean over the three substitutions of each base, NaN where one is missing or the base is unknown."""
    sequence = genome.fetch(Interval(interval.contig, interval.start, interval.end)).upper()
    return np.where([base in LETTERS for base in sequence], values.sum(1) / 3, np.nan)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return first and one behind the last of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return list(zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True))
