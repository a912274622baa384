"""One segmentation for both alleles of a variant: starts of the reference window, lifted to the other allele.

A segmentation computed anew on the alternative would move boundaries that the variant did not
touch, and the two scores would then differ for that reason alone.
"""

import numpy as np

from genomelm.errors import InputError
from genomelm.patching.geometry import check_starts


def pair(starts: np.ndarray, offset: int, ref_length: int, alt_length: int, length: int) -> np.ndarray:
    """Lift the starts of a window that holds REF to the same window holding ALT.

    Equal lengths (SNV, MNV) move nothing. Otherwise a start before the alleles' end stays, one at or
    past it moves with the bases behind it, and starts on deleted bases fall onto the first base after
    the deletion, where they become one. So patches that the indel does not touch keep their bases;
    inserted bases join the patch of the base before them (at the window's start: a patch of their own).
    `pair` there and back gives the same starts for every insertion, and for a deletion when no patch
    began on a deleted base: what is deleted can no longer say where a patch began.

    Args:
        starts: int64 (p,), starts[0] = 0, strictly increasing, below `length`.
        offset: index in both windows of the first base that the alleles occupy.
        ref_length: bases of REF (0 for a pure insertion).
        alt_length: bases of ALT (0 for a pure deletion).
        length: bases in the window that `starts` belong to.

    Returns:
        int64 (q,), starts of the other window, of length - ref_length + alt_length bases.

    Raises:
        InputError: the alleles do not lie in the window, or the starts do not fit it.
    """
    starts = check_starts(starts, length)
    if min(offset, ref_length, alt_length) < 0 or offset + ref_length > length:
        raise InputError(
            f"alleles of {ref_length} and {alt_length} bases at offset {offset} do not lie in a window of {length}"
        )
    behind = starts >= offset + ref_length
    lifted = np.where(behind, starts + alt_length - ref_length, starts)
    if alt_length < ref_length:
        lifted = np.where(behind, lifted, np.minimum(starts, offset + alt_length))
    lifted = np.unique(np.append(lifted, 0))
    return lifted[lifted < length - ref_length + alt_length]


def pair_marks(marks: np.ndarray, offset: int, ref_length: int, alt_length: int) -> np.ndarray:
    """`pair` for start flags: bool (l+1,) of one window to those of the other; the last one stays."""
    length = len(marks) - 1
    if ref_length == alt_length and 0 <= offset <= length - ref_length:
        return marks.copy()
    found = np.zeros(length - ref_length + alt_length + 1, bool)
    found[pair(np.flatnonzero(marks[:-1]), offset, ref_length, alt_length, length)] = True
    found[-1] = marks[-1]
    return found


def difference(ref: np.ndarray, alt: np.ndarray) -> tuple[int, int, int]:
    """Return (offset, ref_length, alt_length) of what lies between the common start and the common end.

    An indel in a repeat is taken as far left as it goes.

    Args:
        ref, alt: ids, int64 (l,) and (l',).
    """
    short = min(len(ref), len(alt))
    tail = _common_start(ref[::-1][:short], alt[::-1][:short])
    head = _common_start(ref[: short - tail], alt[: short - tail])
    return head, len(ref) - head - tail, len(alt) - head - tail


def _common_start(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.append(a == b, False).argmin())
