"""Records cut into pieces of at most a window, sorted into classes of like length: a table on disk, not in memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from genomelm.files import atomic_directory, digest_of, read_json, write_json
from genomelm.seq.records import Records, alone

FORMAT = 1
GROWTH = 1.125
"""Longest length of a class over that of the class below: at most a ninth of a padded batch is padding."""
SHORTEST_CLASS = 32

Kept = Callable[[np.ndarray], np.ndarray]
"""Digests of groups uint64 (n,) -> bool (n,), whether the records belong to a split."""


def padded_classes(window: int) -> np.ndarray:
    """Return the longest length of each class for padded batches, int64 (c,), the last one the window."""
    edges = [min(SHORTEST_CLASS, window)]
    while edges[-1] < window:
        edges.append(min(window, max(edges[-1] + 1, int(edges[-1] * GROWTH))))
    return np.array(edges, np.int64)


class Pieces:
    """The pieces of a split's records; a record longer than the window is cut from its start on.

    Args:
        records: the file.
        window: most letters a piece.
        classes: int64 (c,), longest length of each class, increasing, the last one the window.
        kept: tells which records the split has.
        name: of the split and how it was made, for the table's name in the cache.

    Attributes:
        starts, sizes: int64 (n,) and int32 (n,), place in the letters and length; the classes one behind the other.
        edges: int64 (c + 1,), where each class begins in them.
        letters: of all pieces together.
        records: of the split.
    """

    def __init__(self, records: Records, window: int, classes: np.ndarray, kept: Kept, name: str) -> None:
        key = digest_of([records.folder.name, window, classes.tolist(), name, FORMAT])
        folder = records.folder.with_name(f"{records.folder.name}-{key[:16]}")
        with alone(folder):
            if not (folder / "pieces.json").is_file():
                _build(records, window, classes, kept, folder)
        header = read_json(folder / "pieces.json")
        self.edges = np.array(header["edges"], np.int64)
        self.letters, self.records = header["letters"], header["records"]
        if self.edges[-1]:
            self.starts = np.asarray(np.memmap(folder / "starts.bin", "<i8", "r"))
            self.sizes = np.asarray(np.memmap(folder / "sizes.bin", "<i4", "r"))
        else:
            self.starts, self.sizes = np.zeros(0, np.int64), np.zeros(0, np.int32)

    def __len__(self) -> int:
        return int(self.edges[-1])


def _build(records: Records, window: int, classes: np.ndarray, kept: Kept, folder: Path) -> None:
    """Write the table in two passes over the records: one counts, the other puts each piece where its class is."""
    counts, letters, number = np.zeros(len(classes), np.int64), 0, 0
    for _, sizes, owners in _cut(records, window, kept):
        counts += np.bincount(np.searchsorted(classes, sizes), minlength=len(classes))
        letters += int(sizes.sum())
        number += owners
    edges = np.concatenate([[0], np.cumsum(counts)])
    with atomic_directory(folder) as made:
        if edges[-1]:
            starts_file = np.memmap(made / "starts.bin", "<i8", "w+", shape=int(edges[-1]))
            sizes_file = np.memmap(made / "sizes.bin", "<i4", "w+", shape=int(edges[-1]))
            filled = edges[:-1].copy()
            for starts, sizes, _ in _cut(records, window, kept):
                which = np.searchsorted(classes, sizes)
                order = np.argsort(which, kind="stable")
                here = np.bincount(which, minlength=len(classes))
                at = np.repeat(filled - np.concatenate([[0], np.cumsum(here)[:-1]]), here) + np.arange(len(order))
                starts_file[at], sizes_file[at] = starts[order], sizes[order]
                filled += here
            starts_file.flush()
            sizes_file.flush()
        write_json(made / "pieces.json", {"edges": edges.tolist(), "letters": letters, "records": number})


def _cut(records: Records, window: int, kept: Kept, chunk: int = 1 << 18):
    """Yield starts and sizes int64 (m,) of the pieces of so many records at a time, and how many records there are."""
    for first in range(0, len(records), chunk):
        part = slice(first, first + chunk)
        wanted = kept(records.groups[part])
        offsets, lengths = records.offsets[part][wanted], records.lengths[part][wanted]
        pieces = -(-lengths // window)
        inside = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        starts = np.repeat(offsets, pieces) + inside * window
        yield starts, np.minimum(np.repeat(offsets + lengths, pieces) - starts, window), len(lengths)
