"""Starts of many short records at once: one pass over all of them costs less than a pass each."""

from collections.abc import Sequence

import numpy as np

from genomelm.patching.modes import START, Edges, mark
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import PAD

JOINED_MODES = ("entropy", "greedy", "length_constrained", "fixed_stride", "byte")
"""Modes that begin anew at a forced start, so that records can stand one behind the other."""


def marks_of_many(patcher: Patcher, records: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return `patcher.marks` of each record.

    Args:
        patcher: any; those whose records cannot be joined cut one after another.
        records: ids int64 (l,) each.

    Returns:
        bool (l + 1,) each.

    Raises:
        UsageError: the starts come by coordinate.
    """
    if len(records) < 2 or not _joinable(patcher):
        return [patcher.marks(ids) for ids in records]
    ends = np.cumsum([len(ids) + 1 for ids in records])
    firsts = np.concatenate([[0], ends[:-1]])
    joined = np.full(ends[-1], PAD)
    if patcher.scale is not None:  # else the letters decide nothing
        for ids, first in zip(records, firsts.tolist(), strict=True):
            joined[first : first + len(ids)] = ids
    marks = marks_of_joined(patcher, joined, firsts)
    return [marks[first:end] for first, end in zip(firsts.tolist(), ends.tolist(), strict=True)]


def marks_of_joined(patcher: Patcher, joined: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """Return `patcher.marks` of records that stand one behind the other, with a PAD behind each: bool (n,).

    No context reaches over a PAD; its place is that of the byte after the record's end.

    Args:
        patcher: any; those whose records cannot be joined cut one after another.
        joined: ids int64 (n,).
        firsts: int64 (m,), where each record begins, the first one at 0.

    Raises:
        UsageError: the starts come by coordinate.
    """
    if not len(firsts):
        return np.zeros(0, np.bool_)
    if not _joinable(patcher):
        ends = [*firsts[1:].tolist(), len(joined)]
        each = [patcher.marks(joined[a : b - 1]) for a, b in zip(firsts.tolist(), ends, strict=True)]
        return np.concatenate(each)
    if patcher.scale is None:
        codes = np.broadcast_to(np.uint16(0), len(joined))
    else:
        codes = patcher.source_codes(joined[:-1])
    return mark(codes, patcher.rule, START, Edges(firsts, np.zeros(len(firsts), np.int64)))[0]


def _joinable(patcher: Patcher) -> bool:
    config = patcher.config
    plain = not (patcher.placed or config.isolate or config.symmetric)
    return plain and config.mode in JOINED_MODES and (patcher.model is not None or not config.needs_scores)
