"""Records of a FASTA file with labels in their headers."""

import re
from collections.abc import Iterator
from pathlib import Path

from genomelm.seq.interval import text_lines
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.faults import Faults
from genomelm.tasks.rows import Rows, examples_of, spelled

_PAIR = re.compile(r"(?:^|[\s;|])([^\s;|=]+)=([^\s;|]+)")


def fasta_examples(path: str | Path, task: TaskConfig, split_file: str | Path | None) -> Examples:
    """Read a FASTA file (plain or gzip) with a label in each header.

    A label is a pair `key=value`, as in `>name label=3.2 group=fam1`, with `label_column` the key; or, where
    `label_column` is a number, that field of the header, from 1 on: fields stand between '|', as in
    `>name|enhancer|0.7`, or in a header without one between blanks, as in `>name enhancer`.

    Raises:
        InputError: no records, headers without the label, or labels, sequences or a split that cannot be used.
    """
    faults = Faults(str(path))
    records = list(_records(Path(path)))
    if not records:
        faults.say("it is no FASTA: no line begins with '>'")
        faults.tell()
    rows = [f"line {number} ({header.split()[0] if header.split() else 'no name'})" for number, header, _ in records]
    wanted = [*task.columns, *([task.split.column] if task.split.column else [])]
    cells: dict[str, list[str]] = {}
    for name in wanted:
        found = [_field(header, name) for _, header, _ in records]
        what = f"field {name} (between '|', or blanks)" if name.isdecimal() else f"{name}=..."
        faults.rows(f"headers have no {what}", [row for row, cell in zip(rows, found, strict=True) if cell is None])
        cells[name] = [cell or "" for cell in found]
    faults.tell()
    names = [re.split(r"[\s|]", header.strip())[0] for _, header, _ in records]
    sequences = [spelled(sequence, task.alphabet) for *_, sequence in records]
    groups = cells.get(task.split.column, ())
    return examples_of(
        Rows(rows, sequences, {name: cells[name] for name in task.columns}, names=names, groups=groups),
        task,
        split_file,
        None,
        faults,
    )


def _records(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the line of each header, the header without '>', and the sequence."""
    header, first, parts = None, 0, []
    for number, line in enumerate(text_lines(path), 1):
        line = line.strip()
        if line.startswith(">"):
            if header is not None:
                yield first, header, "".join(parts)
            header, first, parts = line[1:], number, []
        elif header is not None:
            parts.append(line)
    if header is not None:
        yield first, header, "".join(parts)


def _field(header: str, name: str) -> str | None:
    """Return what a header says of `name`, None where it says nothing."""
    if name.isdecimal():
        fields = header.split("|") if "|" in header else header.split()
        return fields[int(name) - 1].strip() if 0 < int(name) <= len(fields) else None
    return next((value for key, value in _PAIR.findall(header) if key == name), None)
