"""Folders of training runs -> their readings, settings and state, finished or still running.

A run that is finished has log.jsonl (one reading a line) and metrics.json in its folder; one that is under way, or was
stopped, has log.jsonl in FOLDER.state, beside its checkpoints.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from genomelm.errors import InputError, UsageError
from genomelm.report.inputs import Part, read_lines, read_part
from genomelm.report.values import finite

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
NESTED = ("gradient_norms", "poles")
"""Keys of a reading that hold numbers of parts of the model, by their names."""


@dataclasses.dataclass(frozen=True)
class TrainingRun:
    """One run.

    Attributes:
        name: its folder's, with as many folders above as tell it from the other runs.
        letter: by which its curves are marked.
        finished: whether its outputs are there.
        log: the file read.
        metrics: metrics.json of a finished run.
        columns: key of a reading -> one number a reading, None where it has none.
        layers: layer -> norm of its gradient, one a reading.
        spaces: state space -> quantity of its poles -> one number a reading.
        notes: what was amiss with its files.
    """

    name: str
    letter: str
    finished: bool
    log: Path
    metrics: Part
    columns: dict[str, list[float | None]]
    layers: dict[str, list[float | None]]
    spaces: dict[str, dict[str, list[float | None]]]
    notes: list[str]

    @property
    def readings(self) -> int:
        """How many readings there are."""
        return len(self.columns["step"])


def read_runs(folders: Sequence[str | Path]) -> list[TrainingRun]:
    """Read runs.

    Args:
        folders: of `genomelm pretrain`, `finetune` or `byte-lm`, at most 26; FOLDER.state may be named itself.

    Raises:
        UsageError: a folder is given twice, or there are too many.
        InputError: a folder has no log.
    """
    if len(folders) > len(LETTERS):
        raise UsageError(f"{len(folders)} runs are given: at most {len(LETTERS)} fit on one page")
    places = [Path(str(folder).rstrip("/").removesuffix(".state")) for folder in folders]
    names = _names(places)
    return [_read(*one) for one in zip(places, names, LETTERS, strict=False)]


def _names(places: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the paths, of equal length, that differ."""
    parts = [Path(os.path.abspath(place)).parts[1:] for place in places]
    for depth in range(1, 1 + max(map(len, parts))):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    twice = next(place for i, place in enumerate(places) if parts[i] in parts[:i])
    raise UsageError(f"{twice} is given twice: name each run once")


def _read(place: Path, name: str, letter: str) -> TrainingRun:
    log, finished, notes = _log_of(place)
    metrics = read_part(place / "metrics.json", "metrics.json")
    if finished and metrics.data is None:
        notes.append(f"{metrics.reason}: settings and test figures are left out")
    rows = _rows(log, notes)
    if not rows:
        notes.append("its log has no reading yet")
    return TrainingRun(
        name=name,
        letter=letter,
        finished=finished,
        log=log,
        metrics=metrics if finished else Part("metrics.json", None, "the run is not finished"),
        columns={"step": [], **_columns(rows)},
        layers=_columns([_inner(row, "gradient_norms") for row in rows]),
        spaces={
            space: _columns([_inner(_inner(row, "poles"), space) for row in rows])
            for space in _keys([_inner(row, "poles") for row in rows])
        },
        notes=notes,
    )


def _log_of(place: Path) -> tuple[Path, bool, list[str]]:
    """Return the log of a run, whether it is that of a finished one, and notes."""
    done, going = place / "log.jsonl", place.with_name(f"{place.name}.state") / "log.jsonl"
    if done.is_file() and going.is_file():
        finished = done.stat().st_mtime >= going.stat().st_mtime
        kept, other = (done, going) if finished else (going, done)
        return kept, finished, [f"there are two logs: {kept} is newer and was read, {other} was not"]
    if done.is_file() or going.is_file():
        return (done, True, []) if done.is_file() else (going, False, [])
    raise InputError(
        f"{place} has no log.jsonl, nor has {going.parent}: give the folder that -o of `genomelm pretrain` or "
        "`genomelm finetune` named; a run writes its log there from its first step"
    )


def _rows(log: Path, notes: list[str]) -> list[dict]:
    """Return the readings of a log in the order of their steps; note what is left out."""
    try:
        lines = read_lines(log)
    except OSError as error:
        raise InputError(f"{log} cannot be read: {error.strerror}") from error
    found = [row if row is not None and finite(row.get("step")) is not None else None for row in lines]
    if found and found[-1] is None:
        notes.append(f"the last line of {log.name} ({len(found)}) is not whole: the log was read up to it")
        found.pop()
    if damaged := [str(number) for number, row in enumerate(found, 1) if row is None]:
        more = f" and {len(damaged) - 8} more" if len(damaged) > 8 else ""
        notes.append(f"{log.name}: line {', '.join(damaged[:8])}{more} is not a reading: left out")
    rows: list[dict] = []
    again = 0
    for row in found:
        if row is None:
            continue
        while rows and rows[-1]["step"] >= row["step"]:
            rows.pop()
            again += 1
        rows.append(row)
    if again:
        notes.append(f"{log.name} has {again} readings of steps that come again: the later ones were kept")
    return rows


def _inner(row: dict, key: str) -> dict:
    found = row.get(key)
    return found if isinstance(found, dict) else {}


def _keys(rows: Sequence[dict]) -> list[str]:
    """Return the keys of all rows, in the order in which they come."""
    return list(dict.fromkeys(key for row in rows for key in row))


def _columns(rows: Sequence[dict]) -> dict[str, list[float | None]]:
    """Return the numbers of rows by key; keys without any number are left out."""
    found = {key: [finite(row.get(key)) for row in rows] for key in _keys(rows) if key not in NESTED}
    return {key: values for key, values in found.items() if any(value is not None for value in values)}
