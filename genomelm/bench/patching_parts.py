"""Prepared sequences of a genome, and where each way of the grid starts patches in them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomelm.bench.patching_grid import STORED, Cell
from genomelm.errors import InputError
from genomelm.files import atomic_path
from genomelm.runtime import counter_seed

PARTS = ("train", "test")


@dataclass(frozen=True)
class Part:
    """The training or the held-out regions of a genome, end to end.

    Attributes:
        ids: (l,) uint8.
        marks: (l,) bool, where patches start.
        regions: bases of each region.
        codon: (l,) uint8, codon phase of each base on the forward strand, 3 where it has none; None: not prepared.
    """

    ids: np.ndarray
    marks: np.ndarray
    regions: tuple[int, ...]
    codon: np.ndarray | None = None

    def window(self, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ids (n,) int64 and start flags (n+1,) of [start, end).

        The last flag only tells what the byte after the window may read, and no byte there is scored.
        """
        return self.ids[start:end].astype(np.int64), np.append(self.marks[start:end], True)

    def draw(self, size: int, length: int, *counters: int | str) -> list[tuple[int, int]]:
        """Return `size` random windows of `length` bases inside regions, a pure function of `counters`."""
        room = np.maximum(np.array(self.regions) - length + 1, 0)
        if not room.any():
            raise InputError(f"no region is as long as the window of {length} bases: choose a smaller window")
        edges, ends = np.cumsum(room), np.cumsum(self.regions)
        places = np.random.default_rng(counter_seed(*counters)).integers(0, edges[-1], size)
        regions = np.searchsorted(edges, places, side="right")
        starts = places - (edges - room)[regions] + (ends - self.regions)[regions]
        return [(int(start), int(start) + length) for start in starts]

    def tiles(self, length: int) -> list[tuple[int, int]]:
        """Return the regions cut into windows that do not overlap; a last short piece is kept."""
        ends = np.cumsum(self.regions).tolist()
        return [
            (start, min(start + length, end))
            for end, size in zip(ends, self.regions, strict=True)
            for start in range(end - size, end, length)
        ]


def write_parts(path: Path, ids: dict[str, list[np.ndarray]], marks: dict[tuple[str, int, str], np.ndarray]) -> None:
    """Write the ids of each part's regions, and the marks (l,) bool of (way, mean, part), atomically."""
    arrays = {f"{part}_ids": np.concatenate(ids[part]).astype(np.uint8) for part in PARTS}
    arrays |= {f"{part}_regions": np.array([len(region) for region in ids[part]]) for part in PARTS}
    arrays |= {f"{way}_{mean}_{part}": np.packbits(found) for (way, mean, part), found in marks.items()}
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_part(path: Path, part: str, cell: Cell, shift: int) -> Part:
    """Read one part of a genome, cut as `cell` says.

    Raises:
        InputError: the file is missing, or was prepared without that cell.
    """
    try:
        with np.load(path) as stored:
            ids, regions = stored[f"{part}_ids"], tuple(stored[f"{part}_regions"].tolist())
            way = cell.way if cell.way in STORED else "entropy"
            packed = None if cell.way in ("byte", "fixed_stride") else stored[f"{way}_{cell.mean}_{part}"]
    except (OSError, KeyError) as error:
        raise InputError(f"{path} does not hold {cell} ({error}): run `genomelm bench patching prepare`") from None
    stored_marks = None if packed is None else np.unpackbits(packed, count=len(ids)).astype(bool)
    return Part(ids, cut(cell, part, len(ids), stored_marks, shift), regions)


def cut(cell: Cell, part: str, length: int, stored: np.ndarray | None, shift: int) -> np.ndarray:
    """Return the marks (l,) bool of a cell.

    Args:
        cell: its way and mean.
        part: train or test; each is permuted and shifted by itself, so nothing of one moves into the other.
        length: bases of the part, l.
        stored: the computed marks (l,) of its way, or of entropy where it is derived from them.
        shift: bases by which `shifted` moves them towards the end; the last ones come in at the front.
    """
    if cell.way in ("byte", "fixed_stride"):
        return np.arange(length) % cell.mean == 0
    assert stored is not None
    if cell.way == "random":
        return permuted(stored, "lengths", cell.genome, part, cell.mean)
    return np.roll(stored, shift) if cell.way == "shifted" else stored


def permuted(marks: np.ndarray, *counters: int | str) -> np.ndarray:
    """Return marks (l,) with the same patch lengths in another order; the first byte starts a patch."""
    lengths = np.diff(np.append(np.flatnonzero(marks), len(marks)))
    np.random.default_rng(counter_seed(*counters)).shuffle(lengths)
    out = np.zeros(len(marks), bool)
    out[np.cumsum(lengths) - lengths] = True
    return out
