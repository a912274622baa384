"""Whether parts are exactly the shares of one run on one input."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from genomelm.errors import InputError
from genomelm.scoring.shard import Statement


class Part(Protocol):
    """The output of a share.

    Attributes:
        path: its file.
        statement: what it says of itself.
        form: header lines, or columns, that all shares have.
    """

    path: Path
    statement: Statement
    form: Sequence


PartT = TypeVar("PartT", bound=Part)


def complete(parts: Sequence[PartT]) -> list[PartT]:
    """Return the shares in order.

    Raises:
        InputError: they are not exactly all shares of one run on one input.
    """
    first = parts[0]
    for part in parts[1:]:
        for name, key in (
            ("input", "source"),
            ("run", "run"),
            ("score", "tag"),
            ("outputs", "outputs"),
            ("number of records", "records"),
        ):
            one, other = getattr(first.statement, key), getattr(part.statement, key)
            if one != other:
                what = (key == "run" and _differing(first.statement, part.statement)) or f"{name} ({other} and {one})"
                raise InputError(
                    f"{part.path} is of another {what} than {first.path}: score all shards with the same files and "
                    "options"
                )
        if part.statement.shard.count != first.statement.shard.count:
            raise InputError(f"{part.path} is shard {part.statement.shard}, {first.path} {first.statement.shard}")
        if part.form != first.form:
            raise InputError(f"{part.path} and {first.path} have different headers: was one of them edited?")
    count, records = first.statement.shard.count, first.statement.records
    held: dict[int, list[Path]] = {}
    for part in parts:
        held.setdefault(part.statement.shard.number, []).append(part.path)
    missing = [number for number in range(1, count + 1) if number not in held]
    twice = [f"{number} ({', '.join(map(str, paths))})" for number, paths in held.items() if len(paths) > 1]
    if missing or twice:
        spans = [part.statement for part in {p.statement.shard.number: p for p in parts}.values()]
        there = sum(span.end - span.first for span in spans)
        faults = [
            *([f"{len(missing)} missing: {_some(missing)}"] if missing else []),
            *([f"{len(twice)} there more than once: {_some(twice)}"] if twice else []),
        ]
        raise InputError(f"{len(held)} of {count} shards, {there:,} of {records:,} records: {'; '.join(faults)}")
    ordered = sorted(parts, key=lambda part: part.statement.shard.number)
    ends = [0, *(part.statement.end for part in ordered)]
    starts = [*(part.statement.first for part in ordered), records]
    if ends != starts:
        raise InputError(f"the shards' records do not follow each other up to {records:,}: was a header edited?")
    return ordered


def _differing(one: Statement, other: Statement) -> str:
    """Return the settings in which two runs differ; '' where their headers do not say."""
    names = {*one.settings, *other.settings}
    return ", ".join(sorted(name for name in names if one.settings.get(name) != other.settings.get(name)))


def _some(names: Sequence[object]) -> str:
    return ", ".join(map(str, names[:10])) + (", ..." if len(names) > 10 else "")
