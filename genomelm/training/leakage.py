"""What held-out data share with training: the same sequences, on either strand, in constant memory.

Whole records are compared by digest, all of them, with whole records of training. Windows of genomes are looked for
anywhere in the training text, that of records too, by a number of them that does not grow with the data. Reads that
were cut from a genome are not looked for in it.
"""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from genomelm.errors import InputError
from genomelm.seq.alphabet import ALPHABETS, encode, reverse_complement_ids
from genomelm.seq.interval import Interval
from genomelm.training.shared_text import Sought
from genomelm.training.sources import Data, GenomeSource, RecordSource

log = logging.getLogger(__name__)

MOST_WINDOWS = 1 << 14
MOST_LETTERS = 1 << 25
"""Held-out windows that are looked for, and their letters: 32 MiB."""

CHUNK = 1 << 22
"""Letters of the training text that are read at a time."""

RECORDS = 1 << 20
"""Held-out records that are compared at a time, each batch with all of training's."""


def leakage(data: Data, window: int) -> dict:
    """Count held-out sequences that training has too.

    Args:
        data: the sources; those of one modality are compared with each other.
        window: bases a window.

    Returns:
        Of each split that is held out: "windows" and "records", each with "compared", "of" (how many there are),
        "identical" and "reverse_complement" (0 but for DNA): of windows those that lie anywhere in training, of
        records those that are a whole training record.
    """
    found = {}
    for split in ("validation", "test"):
        parts: dict[str, dict[str, int]] = {}
        for modality in {source.modality: None for source in data.sources if source.has(split)}:
            sources = [source for source in data.sources if source.modality == modality]
            if len({type(source) for source in sources}) > 1:
                log.warning(
                    "%s: a genome and records are both of %s: records that were cut from the genome are not looked "
                    "for in it; give the records a split file that follows the genome's regions",
                    *(split, modality),
                )
            for name, counts in (
                ("windows", _shared_windows(sources, split, window, modality)),
                ("records", _shared_records(sources, split, modality)),
            ):
                if counts["of"]:
                    kept = parts.setdefault(name, dict.fromkeys(counts, 0))
                    parts[name] = {key: kept[key] + value for key, value in counts.items()}
        if parts:
            found[split] = parts
    return found


def report_leakage(found: dict, strict: bool) -> None:
    """Warn of sequences that training has too.

    Raises:
        InputError: there are some, and `strict` is set.
    """
    told = [
        f"{split}: of {counts['compared']:,} {kind} {counts['identical']:,} are in training, and "
        f"{counts['reverse_complement']:,} in reverse complement"
        for split, parts in found.items()
        for kind, counts in parts.items()
        if counts["identical"] or counts["reverse_complement"]
    ]
    if told and strict:
        raise InputError("held-out sequences are in training too (--strict)\n  " + "\n  ".join(told))
    for line in told:
        log.warning("%s: readings are better than on new sequences", line)


def _shared_windows(sources: Sequence[GenomeSource | RecordSource], split: str, window: int, modality: str) -> dict:
    most = max(1, min(MOST_WINDOWS, MOST_LETTERS // window))
    held = [source for source in sources if isinstance(source, GenomeSource) and source.has(split)]
    tiles = [(source, tile) for source in held for tile in _tiles(source.regions[split], window, most // len(held))]
    total = sum(len(region) // window for source in held for region in source.regions[split])
    letters = [_letters(source, tile) for source, tile in tiles]
    turned = reverse_complement_ids(np.arange(256)[::-1]).astype(np.uint8) if modality == "dna" else None
    texts = np.concatenate(letters) if letters else np.zeros(0, np.uint8)
    unknown = ord(ALPHABETS[modality].unknown)
    sought = Sought(texts, np.array([len(text) for text in letters], np.int64), turned, unknown)
    if tiles:
        for source in sources:
            for text in _training_texts(source, window):
                sought.look_in(text)
    here, there = sought.found.sum(0).tolist()
    return {"compared": int(sought.looked.sum()), "of": total, "identical": here, "reverse_complement": there}


def _tiles(regions: Sequence[Interval], window: int, most: int) -> list[Interval]:
    """Return at most `most` windows, evenly spaced over the tiles of the regions."""
    edges = np.cumsum([len(region) // window for region in regions])
    if not edges[-1]:
        return []
    numbers = np.unique(np.linspace(0, edges[-1] - 1, max(1, min(most, int(edges[-1])))).astype(np.int64))
    found = []
    for number in numbers.tolist():
        index = int(np.searchsorted(edges, number, side="right"))
        region, before = regions[index], int(edges[index - 1]) if index else 0
        start = region.start + (number - before) * window
        found.append(Interval(region.contig, start, start + window))
    return found


def _letters(source: GenomeSource, interval: Interval) -> np.ndarray:
    return encode(source.genome.fetch(interval), source.modality).astype(np.uint8)


def _training_texts(source: GenomeSource | RecordSource, window: int) -> Iterator[np.ndarray]:
    """Yield the training text of a source in pieces that overlap by a window, uint8 (n,); records stand apart."""
    if isinstance(source, GenomeSource):
        for region in source.regions.get("train", ()):
            for start in range(region.start, region.end, CHUNK):
                yield _letters(source, Interval(region.contig, start, min(start + CHUNK + window, region.end)))
        return
    records, kept = source.records, source.split.kept("train")
    for first in range(0, len(records), RECORDS):
        part = slice(first, first + RECORDS)
        wanted = kept(records.groups[part])
        offsets, lengths = records.offsets[part][wanted], records.lengths[part][wanted]
        for one in np.flatnonzero(lengths > CHUNK).tolist():
            begin, end = int(offsets[one]), int(offsets[one] + lengths[one])
            for start in range(begin, end, CHUNK):
                yield records.letters[start : min(start + CHUNK + window, end)]
        short = lengths <= CHUNK
        yield from _apart(records.letters, offsets[short], lengths[short])


def _apart(letters: np.ndarray, offsets: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Yield records with a zero byte between, about CHUNK letters at a time."""
    groups = np.cumsum(lengths) // CHUNK
    for group in np.unique(groups).tolist():
        begins, sizes = offsets[groups == group], lengths[groups == group] + 1
        ends = np.cumsum(sizes)
        text = letters[np.minimum(np.repeat(begins - (ends - sizes), sizes) + np.arange(ends[-1]), len(letters) - 1)]
        text[ends - 1] = 0
        yield text


def _shared_records(sources: Sequence[GenomeSource | RecordSource], split: str, modality: str) -> dict:
    files = [source for source in sources if isinstance(source, RecordSource)]
    counts = {"compared": 0, "of": 0, "identical": 0, "reverse_complement": 0}
    for source in files:
        for here, there in _digests(source, split):
            met = np.zeros((2, len(here)), bool)
            for other in files:
                for trained, _ in _digests(other, "train"):
                    met |= np.stack([np.isin(here, trained), np.isin(there, trained)])
            counts["compared"] += len(here)
            counts["of"] += len(here)
            counts["identical"] += int(met[0].sum())
            counts["reverse_complement"] += int(met[1].sum()) if modality == "dna" else 0
    return counts


def _digests(source: RecordSource, split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the digests of a split's records, and those of their reverse complements, some at a time."""
    records, kept = source.records, source.split.kept(split)
    for first in range(0, len(records), RECORDS):
        part = slice(first, first + RECORDS)
        wanted = kept(records.groups[part])
        if wanted.any():
            yield records.digests[part][wanted], records.turned[part][wanted]
