"""BED intervals with labels: the bases of each interval, or of a window around its middle."""

from dataclasses import dataclass
from pathlib import Path

from genomelm.errors import UsageError
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval, text_lines
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.faults import Faults
from genomelm.tasks.rows import Rows, examples_of

COLUMNS = ("chrom", "start", "end", "name", "score", "strand")
"""Names of a BED's first columns, where it has no line of its own that begins with # and names them all."""


@dataclass(frozen=True)
class _Line:
    row: str
    place: Interval
    cells: list[str]


def bed_examples(path: str | Path, genome: Genome, task: TaskConfig, split_file: str | Path | None) -> Examples:
    """Read a BED file (plain or gzip) with a label in one of its columns; sequences follow the strand in column six.

    Raises:
        UsageError: a column that the file does not have.
        InputError: lines that are no intervals, lie past their contig's end or on none, labels or a split that cannot
            be used, all with their lines.
    """
    faults = Faults(str(path))
    lines, header = _lines(Path(path), genome, task, faults)
    wanted = [*task.columns, *([task.split.column] if task.split.column else [])]
    numbers = {name: _number(name, header, task) for name in wanted}
    faults.rows(
        f"lines have no column {', '.join(wanted)}",
        [line.row for line in lines if len(line.cells) <= max(numbers.values())],
    )
    if not lines and not faults:
        faults.say("it has no interval; the step that made it probably failed")
    faults.tell()
    cells = {name: [line.cells[number].strip() for line in lines] for name, number in numbers.items()}
    rows = Rows(
        [line.row for line in lines],
        [genome.fetch(line.place).upper() for line in lines],
        {name: cells[name] for name in task.columns},
        names=[str(line.place) for line in lines],
        places=[line.place for line in lines],
        groups=cells.get(task.split.column, ()),
    )
    return examples_of(rows, task, split_file, genome, faults)


def _lines(path: Path, genome: Genome, task: TaskConfig, faults: Faults) -> tuple[list[_Line], list[str]]:
    """Return the intervals, and the names of the columns; what is no interval of the genome is noted."""
    found, header = [], list(COLUMNS)
    wrong: dict[str, list[str]] = {}
    for number, text in enumerate(text_lines(path), 1):
        text = text.rstrip("\r\n")
        if not text.strip() or text.startswith(("track", "browser")):
            continue
        cells = text.split("\t") if "\t" in text else text.split()
        if text.startswith("#"):
            if not found and len(cells) > 3:
                header = [cells[0].lstrip("# "), *(cell.strip() for cell in cells[1:])]
            continue
        row = f"line {number}"
        if len(cells) < 3 or not (cells[1].isdecimal() and cells[2].isdecimal() and int(cells[1]) < int(cells[2])):
            wrong.setdefault("lines are no interval (contig, start and end, 0-based, start < end)", []).append(row)
            continue
        contig, start, end = genome.resolve(cells[0]), int(cells[1]), int(cells[2])
        if contig is None:
            what = f"intervals lie on a contig that {genome.path} does not have"
            wrong.setdefault(what, []).append(f"{row} ({cells[0]})")
            continue
        if task.window is not None:
            start = (start + end) // 2 - task.window // 2
            end = start + task.window
        if start < 0 or end > genome.contigs[contig]:
            what = (
                "intervals pass the end of their contig" if task.window is None else "windows pass their contig's end"
            )
            wrong.setdefault(what, []).append(f"{row} ({contig}:{start}-{end} of {genome.contigs[contig]:,} bases)")
            continue
        strand = cells[5] if len(cells) > 5 and cells[5] in ("+", "-") else "+"
        found.append(_Line(row, Interval(contig, start, end, strand), cells))
    for what, rows in wrong.items():
        faults.rows(what, rows)
    return found, header


def _number(name: str, header: list[str], task: TaskConfig) -> int:
    """Return the place of a column: by its name, or by its number, from 1 on."""
    if name in header:
        return header.index(name)
    if name.isdecimal() and int(name) > 0:
        return int(name) - 1
    raise UsageError(
        f"task '{task.name}': the BED file has no column '{name}'; it has {', '.join(header)}, or give a number, 1 for "
        "the first"
    )
