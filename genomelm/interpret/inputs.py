"""What the Python interface takes as sequences: strings, one-hot arrays, a FASTA file, or intervals of one."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.interpret.ism import letters_of
from genomelm.interpret.regions import located
from genomelm.seq.alphabet import ALPHABETS
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

Given = Sequence[str] | Sequence[Interval] | np.ndarray | str | Path
"""A tensor counts as an array."""


def sequences_of(given: Given, alphabet: str = "dna", fasta: str | Path | None = None) -> list[str]:
    """Return the letters of what was given, upper case.

    Args:
        given: strings; a one-hot array or tensor (n, l, a) or (l, a), columns the alphabet's letters and rows of zeros
            for the unknown one; the path of a FASTA file; or, with `fasta`, intervals or their text (c1:101-200:-).
        fasta: the reference of intervals.

    Raises:
        UsageError: one string that is no file.
        InputError: an array that is not one-hot, or what is not in the file.
    """
    if fasta is not None:
        places = [given] if isinstance(given, str | Interval) else given
        with Genome(fasta) as genome:
            known = [Interval.parse(place) if isinstance(place, str) else place for place in places]
            return [genome.fetch(located(genome, place, "sequences")).upper() for place in known]
    if isinstance(given, str | os.PathLike):
        if isinstance(given, str) and not Path(given).is_file():
            raise UsageError("sequences is one string; give a list of sequences, such as ['ACGT'], or a FASTA file")
        with Genome(given, any_letters=alphabet == "protein") as records:
            return [records.fetch(Interval(name, 0, length)).upper() for name, length in records.contigs.items()]
    if hasattr(given, "shape"):
        return _letters(given, alphabet)
    for number, sequence in enumerate(given):
        if not isinstance(sequence, str):
            raise UsageError(
                f"sequence {number} is a {type(sequence).__name__}: give strings, a one-hot array (n, l, "
                f"{len(letters_of(alphabet))}), a FASTA file, or intervals with fasta=REF"
            )
    return [sequence.upper() for sequence in given]


def _letters(given: np.ndarray, alphabet: str) -> list[str]:
    array = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    letters = letters_of(alphabet)
    if array.ndim not in (2, 3) or array.shape[-1] != len(letters):
        raise InputError(
            f"a one-hot array has shape (n, l, {len(letters)}) or (l, {len(letters)}), columns {letters}; this one has "
            f"{array.shape}"
        )
    total = array.sum(-1)
    if not (np.isin(array, (0, 1)).all() and np.isin(total, (0, 1)).all()):
        raise InputError("the array is not one-hot: each row holds a single 1, or zeros for an unknown letter")
    table = np.array(list(letters + ALPHABETS[alphabet].unknown))
    columns = np.where(total == 1, array.argmax(-1), len(letters))
    return ["".join(row) for row in table[columns.reshape(-1, array.shape[-2])]]
