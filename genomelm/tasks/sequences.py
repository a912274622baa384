"""Tables with one sequence a row, or a reference and an alternate."""

import dataclasses
from pathlib import Path

import numpy as np

from genomelm.errors import InputError, UsageError
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.faults import Faults
from genomelm.tasks.rows import Rows, examples_of, spelled
from genomelm.tasks.table import read_table


def table_examples(path: str | Path, task: TaskConfig, split_file: str | Path | None) -> Examples:
    """Read a table with one sequence a row.

    With an `alt_column` a row is a pair: the sequence is the reference, and the label is the effect of the alternate.
    Without it a variant effect is the row's label minus the wild type's: the mean label of the rows that hold the
    task's reference, which are no examples themselves.

    Args:
        path: the table.
        task: names the columns; the label is a column, several, or the mean bin of count columns.
        split_file: TSV of sequence keys and splits; what it does not list is for training.

    Raises:
        UsageError: the task names no label column.
        InputError: a table, labels, sequences or a split that cannot be used, with row numbers.
    """
    if not task.columns:
        raise UsageError(f"task '{task.name}' names neither label_column nor bin_columns")
    more = [name for name in (task.alt_column, task.split.column) if name]
    table = read_table(path, [task.sequence_column, *task.columns, *more])
    sequences = [spelled(text, task.alphabet) for text in table.columns[task.sequence_column]]
    references: list[str] = []
    if task.alt_column:
        references, sequences = sequences, [spelled(text, task.alphabet) for text in table.columns[task.alt_column]]
    rows = Rows(
        table.rows,
        sequences,
        {name: table.columns[name] for name in task.columns},
        references=references,
        groups=table.columns.get(task.split.column, ()),
    )
    examples = examples_of(rows, task, split_file, None, Faults(str(path)))
    return examples if task.kind != "variant_effect" or task.alt_column else _against_wild_type(examples, task, path)


def _against_wild_type(examples: Examples, task: TaskConfig, path: str | Path) -> Examples:
    """Return the mutants with their labels less the wild type's, whose rows are no examples."""
    wild = np.array([sequence == task.reference.upper() for sequence in examples.sequences])
    if not wild.any():
        raise InputError(
            f"{path} does not hold the task's reference {task.reference}: "
            "an effect is a mutant's label minus the wild type's; add its row, or set kind to regression"
        )
    mutants = examples.rows(np.flatnonzero(~wild))
    return dataclasses.replace(
        mutants,
        labels=mutants.labels - examples.labels[wild].mean(0),
        references=(task.reference.upper(),) * len(mutants),
    )
