"""Rows of a file, each a sequence with labels as text: what table-like sources have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.faults import Faults, sequence_faults
from genomelm.tasks.labels import labels_of
from genomelm.tasks.splits import split_rows


@dataclass(frozen=True)
class Rows:
    """Sequences and what stands beside them.

    Attributes:
        rows: where each stands in the file, for messages, (n,).
        sequences: as the task's alphabet writes them, (n,).
        cells: label column -> text, (n,).
        names: of the examples, (n,); empty: `rows`.
        references: each row's reference allele, (n,); empty: there is none.
        places: on a genome, (n,); empty: there are none.
        groups: what split by group keeps together, (n,); empty: there is none.
    """

    rows: Sequence[str]
    sequences: Sequence[str]
    cells: dict[str, Sequence[str]]
    names: Sequence[str] = ()
    references: Sequence[str] = ()
    places: Sequence[Interval] = ()
    groups: Sequence[str] = ()


def spelled(sequence: str, alphabet: str) -> str:
    """Return a sequence as its alphabet writes it: in upper case, and in RNA a T as U."""
    return sequence.upper().replace("T", "U") if alphabet == "rna" else sequence.upper()


def examples_of(
    rows: Rows, task: TaskConfig, split_file: str | Path | None, genome: Genome | None, faults: Faults
) -> Examples:
    """Return rows as examples: their labels as numbers, and their splits.

    Args:
        split_file: TSV of sequence keys and splits, where the task does not say how it is split.
        genome: where the places lie, for a split by place.
        faults: what was found so far.

    Raises:
        InputError: with all faults of rows.
    """
    labels = labels_of(rows.rows, rows.cells, task, faults)
    sequence_faults(rows.rows, rows.sequences, task, faults)
    if rows.references and not task.reference:
        sequence_faults([f"{row}, reference" for row in rows.rows], rows.references, task, faults)
    faults.tell()
    examples = Examples(
        tuple(rows.names or rows.rows),
        tuple(rows.sequences),
        labels,
        np.full(len(rows.rows), "train"),
        tuple(rows.places),
        tuple(rows.references),
        task.alphabet,
    )
    return split_rows(examples, task, split_file, rows.groups, genome, faults.source)
