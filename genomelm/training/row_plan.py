"""Which records lie side by side in packed rows: a plan by classes of length, the same whatever their number."""

import functools
from dataclasses import dataclass

import numpy as np

from genomelm.models.encoding import PACK

FORMAT = 1
"""Grows whenever the same records come to lie in other rows: a run does not go on with rows of another order."""
FINEST = 64
"""Classes grow by one part in so many, where that is more than PACK bytes."""


@dataclass(frozen=True)
class RowPlan:
    """The packed rows of an epoch: some kinds of rows, each so many times, all of a kind with the same classes.

    A piece is of one row: those of a class are dealt to the kinds in their order, and in a kind to one row after
    another.

    Attributes:
        edges: int64 (k + 1,), rows before each kind, and all of them.
        owners: int64 (n,), classes of the places in a row, the kinds one behind the other.
        firsts: int64 (n,), which piece of its class stands at each place in the first row of the kind.
        steps: int64 (n,), by how much that grows from row to row.
        cuts: int64 (k + 1,), where each kind begins in `owners`.
    """

    edges: np.ndarray
    owners: np.ndarray
    firsts: np.ndarray
    steps: np.ndarray
    cuts: np.ndarray

    @functools.cached_property
    def held(self) -> np.ndarray:
        """Pieces in a row of each kind, int64 (k,)."""
        return np.diff(self.cuts)

    def places(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what stands in rows int64 (b,), in their order.

        Returns:
            Class of each piece and its number in the class, int64 (m,), and how many pieces a row has, int64 (b,).
        """
        kinds = np.searchsorted(self.edges, rows, side="right") - 1
        held = self.held[kinds]
        inside = np.arange(held.sum()) - np.repeat(np.cumsum(held) - held, held)
        at = np.repeat(self.cuts[kinds], held) + inside
        return self.owners[at], self.firsts[at] + np.repeat(rows - self.edges[kinds], held) * self.steps[at], held


def planned(slots: np.ndarray, counts: np.ndarray, room: int) -> RowPlan:
    """Return a plan that fills rows: each takes the longest pieces that are left and still have room.

    First-fit decreasing (Johnson 1974) over classes in place of pieces: a kind of row is repeated as long as its
    classes have pieces.

    Args:
        slots: int64 (c,), bytes that a piece of each class takes up, increasing, at most `room`.
        counts: int64 (c,), pieces of each class.
        room: bytes of a row.
    """
    left, dealt = counts.copy(), np.zeros_like(counts)
    times, owners, firsts, steps, cuts = [], [], [], [], [0]
    while left.any():
        uses, free = np.zeros_like(counts), room
        for which in np.flatnonzero(left)[::-1].tolist():
            uses[which] = min(left[which], free // slots[which])
            free -= uses[which] * slots[which]
        taken = np.flatnonzero(uses)
        repeats = int((left[taken] // uses[taken]).min())
        for which in taken[::-1].tolist():
            many = int(uses[which])
            owners += [which] * many
            firsts += range(int(dealt[which]), int(dealt[which]) + many)
            steps += [many] * many
        left -= repeats * uses
        dealt += repeats * uses
        times.append(repeats)
        cuts.append(len(owners))
    edges = np.concatenate([[0], np.cumsum(np.array(times, np.int64))])
    return RowPlan(edges, *(np.array(column, np.int64) for column in (owners, firsts, steps, cuts)))


def slots_of(sizes: np.ndarray, reach: int) -> np.ndarray:
    """Return the bytes of a row that records of `sizes` letters (n,) take up, padding to the next one included."""
    return -(-(1 + sizes + max(reach, 1)) // PACK) * PACK


def row_room(window: int, reach: int) -> int:
    """Return the bytes that the slots of a row of `window` letters may take up: none follows the last record."""
    return window + 1 + max(reach, 1)


def packed_classes(window: int, reach: int) -> np.ndarray:
    """Return the longest length of each class for packed rows, int64 (c,), increasing, the last one the window."""
    room, slot, edges = row_room(window, reach), int(slots_of(np.array(1), reach)), []
    while slot < room:
        edges.append(slot - 1 - max(reach, 1))
        slot += max(PACK, slot // FINEST // PACK * PACK)
    return np.array([*(edge for edge in edges if edge < window), window], np.int64)
