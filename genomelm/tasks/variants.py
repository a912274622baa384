"""Variant effects from names like N127D,A178H, which stand for substitutions of one reference."""

import re
from pathlib import Path

from genomelm.seq.alphabet import ALPHABETS
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.faults import Faults, named
from genomelm.tasks.rows import Rows, examples_of, spelled
from genomelm.tasks.table import read_table

_SUBSTITUTION = re.compile(r"([A-Za-z*])(\d+)([A-Za-z*])")


def variant_examples(path: str | Path, task: TaskConfig, split_file: str | Path | None) -> Examples:
    """Read a table of variant names and scores; a score already is a difference from the wild type.

    Args:
        path: the table.
        task: its `reference`, whose first letter has the number `first_position`, is the wild type
            of every name in `variant_column`.
        split_file: TSV of the mutant sequences' keys and splits.

    Raises:
        InputError: names that are not substitutions of the reference, each kind of fault with its
            rows; labels or a split that cannot be used.
    """
    group = [task.split.column] if task.split.column else []
    table = read_table(path, [task.variant_column, *task.columns, *group])
    mutants, wrong = [], {}
    for row, name in zip(table.rows, table.columns[task.variant_column], strict=True):
        mutant, fault, where = _mutant(name, task)
        mutants.append(mutant or task.reference.upper())
        if fault:
            wrong.setdefault(fault, []).append(f"{row} ({where})")
    faults = Faults(str(path))
    if wrong:
        told = [f"{len(rows)} {fault}, first at {named(rows)}" for fault, rows in wrong.items()]
        faults.say("; ".join(told) + "; correct or remove these rows")
    cells = {name: table.columns[name] for name in task.columns}
    references = (task.reference.upper(),) * len(mutants)
    groups = table.columns.get(task.split.column, ())
    rows = Rows(table.rows, mutants, cells, references=references, groups=groups)
    return examples_of(rows, task, split_file, None, faults)


def _mutant(name: str, task: TaskConfig) -> tuple[str, str, str]:
    """Return the mutant sequence of a name, its kind of fault ('' for none) and the part at fault."""
    wild, letters = task.reference.upper(), ALPHABETS[task.alphabet].letters
    mutant = list(wild)
    seen = set()
    for part in name.split(","):
        match = _SUBSTITUTION.fullmatch(part.strip())
        if not match:
            return "", "variants are no substitutions like A24G", part.strip() or "empty"
        old, new = spelled(match[1], task.alphabet), spelled(match[3], task.alphabet)
        place = int(match[2]) - task.first_position
        if not 0 <= place < len(wild):
            last = task.first_position + len(wild) - 1
            return "", f"variants lie outside the reference ({task.first_position} to {last}: first_position)", part
        if "*" in (old, new):
            return "", "variants make or lose a stop (*), which is no letter", part
        if new not in letters:
            return "", f"variants have a letter outside {task.alphabet} ({letters})", part
        if old != wild[place]:
            told = f"{part}, reference {wild[place]}"
            return "", "variants name another wild type than the reference has there", told
        if place in seen:
            return "", "variants change one position twice", part
        seen.add(place)
        mutant[place] = new
    return "".join(mutant), "", ""
