"""Pieces of a file's letters as a batch, all at once: short records are too many for a Python loop over them."""

import numpy as np
import torch
from numba import njit

from genomelm.models.encoding import Batch
from genomelm.patching.many import marks_of_joined
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import BOS, PAD, VOCABULARY, reverse_complement_ids
from genomelm.training.row_plan import slots_of

COMPLEMENT = np.ascontiguousarray(reverse_complement_ids(np.arange(VOCABULARY)[::-1]))
"""The other strand's letter for each id."""


def columns_of(sizes: np.ndarray, held: np.ndarray, reach: int) -> np.ndarray:
    """Return the byte of its row at which each record's BOS stands: int64 (n,).

    Args:
        sizes: letters of each record, int64 (n,), the rows' one behind the other.
        held: records of each row, int64 (b,).
        reach: bytes of padding between two of them, at least.
    """
    ends = np.concatenate([[0], np.cumsum(slots_of(sizes, reach))])
    return ends[:-1] - np.repeat(ends[np.cumsum(held) - held], held)


def laid_out(
    letters: np.ndarray,
    starts: np.ndarray,
    sizes: np.ndarray,
    turned: np.ndarray,
    patcher: Patcher,
    rows: np.ndarray,
    columns: np.ndarray,
    shape: tuple[int, int],
    conjoined: bool = False,
) -> Batch:
    """Return pieces of letters in rows, each behind a BOS: what make_batch and pack make of them one by one.

    Args:
        letters: uint8, of a whole file, as ids.
        starts, sizes: int64 (n,), each piece's place in the letters and its length.
        turned: bool (n,), whether it is read on the other strand.
        patcher: cuts each piece.
        rows, columns: int64 (n,), where each piece's BOS stands.
        shape: rows and bytes of the batch.
        conjoined: whether the patches of the other strands are wanted as well.

    Returns:
        Batch whose `records` holds each byte's place in the list of pieces, -1 at padding.
    """
    sizes = sizes.astype(np.int64)
    given = (letters, starts, sizes)
    joined = _joined(*given, turned)
    firsts = np.cumsum(sizes + 1) - (sizes + 1)
    ids, numbers = np.full(shape, PAD), np.full(shape, -1)
    _place(joined, firsts, sizes, rows, columns, ids, numbers)
    places = (firsts, sizes, rows, columns, shape)
    there = None
    if conjoined:
        there = _flags(marks_of_joined(patcher, _joined(*given, ~turned), firsts), *places)
    flags = _flags(marks_of_joined(patcher, joined, firsts), *places)
    numbers = torch.from_numpy(numbers)
    return Batch(torch.from_numpy(ids), numbers >= 0, flags, reverse=there, records=numbers)


def _joined(letters: np.ndarray, starts: np.ndarray, sizes: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Return the pieces' ids one behind the other, a PAD behind each: int64."""
    joined = np.empty(int((sizes + 1).sum()), np.int64)
    _gather(letters, starts, sizes, turned, COMPLEMENT, joined)
    return joined


def _flags(
    marks: np.ndarray,
    firsts: np.ndarray,
    sizes: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    shape: tuple[int, int],
) -> torch.Tensor:
    flags = np.zeros((shape[0], shape[1] + 1), np.bool_)
    _flag(marks, firsts, sizes, rows, columns, flags)
    return torch.from_numpy(flags)


@njit(cache=True, nogil=True)
def _gather(letters, starts, sizes, turned, complement, joined):  # pragma: no cover
    at = 0
    for n in range(sizes.shape[0]):
        start, size = starts[n], sizes[n]
        if turned[n]:
            for i in range(size):
                joined[at + i] = complement[letters[start + size - 1 - i]]
        else:
            for i in range(size):
                joined[at + i] = letters[start + i]
        joined[at + size] = PAD
        at += size + 1


@njit(cache=True, nogil=True)
def _place(joined, firsts, sizes, rows, columns, ids, numbers):  # pragma: no cover
    for n in range(sizes.shape[0]):
        row, column, first = rows[n], columns[n], firsts[n]
        ids[row, column] = BOS
        numbers[row, column] = n
        for i in range(sizes[n]):
            ids[row, column + 1 + i] = joined[first + i]
            numbers[row, column + 1 + i] = n


@njit(cache=True, nogil=True)
def _flag(marks, firsts, sizes, rows, columns, flags):  # pragma: no cover
    for n in range(sizes.shape[0]):
        row, column, first = rows[n], columns[n], firsts[n]
        for i in range(sizes[n] + 1):
            flags[row, column + 1 + i] = marks[first + i]
        flags[row, column] = flags[row, column + 1] = True  # BOS is a patch of its own
