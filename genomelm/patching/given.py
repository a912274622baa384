"""Patches that another program made, read from a BED file that covers every base once."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from genomelm.errors import InputError
from genomelm.patching.breaks import Breaks
from genomelm.seq.interval import read_bed


def given_breaks(path: str | Path, contigs: Mapping[str, int]) -> dict[str, Breaks]:
    """Return the starts of given patches by contig.

    Args:
        path: BED, sorted by start within each contig.
        contigs: name -> bases of the genome that they cut.

    Raises:
        InputError: a contig is missing or unknown, or patches overlap, leave bases out, or pass the contig's end.
    """
    starts: dict[str, list[int]] = {}
    reached: dict[str, int] = {}
    for patch in read_bed(path):
        if patch.contig not in contigs:
            raise InputError(f"{path} has contig '{patch.contig}', which is not the genome's: is it another assembly?")
        before = reached.get(patch.contig, 0)
        if patch.start != before or len(patch) == 0:
            raise InputError(
                f"{path}: the patch {patch} does not begin where the one before it ends (base {before + 1:,}): "
                "patches must cover every base once, in order"
            )
        starts.setdefault(patch.contig, []).append(patch.start)
        reached[patch.contig] = patch.end
    for contig, length in contigs.items():
        if reached.get(contig, 0) != length:
            raise InputError(
                f"{path}: the patches of {contig} end at base {reached.get(contig, 0):,} of {length:,}: "
                "they must cover every base once, of this very assembly"
            )
    return {contig: Breaks.unframed(np.array(found, np.int64)) for contig, found in starts.items()}
