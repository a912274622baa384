"""A table of variants on disk with PATH.json beside it, which says what the table is and names its digest."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from genomelm.errors import InputError, UsageError
from genomelm.files import atomic_path, read_json, sha256, write_json
from genomelm.scoring.output import check_output


def beside(path: str | Path) -> Path:
    """Return the name of a table's PATH.json."""
    return Path(f"{path}.json")


def refuse_table_collisions(
    table_in: str | Path, reference: str | Path, out: str | Path, summary: str | Path | None
) -> None:
    """Refuse outputs that would overwrite an input or each other.

    Raises:
        UsageError: naming both, or as `check_output`.
    """
    taken = {Path(reference).resolve(): f"the reference {reference}", Path(table_in).resolve(): f"the input {table_in}"}
    for name, path in (("output", out), ("the output's provenance", beside(out)), ("summary", summary)):
        if path is None:
            continue
        place = Path(path).resolve()
        if place in taken:
            raise UsageError(f"{name} {path} is {taken[place]} as well; choose another name")
        taken[place] = f"{'' if name.startswith('the ') else 'the '}{name} {path}"
        check_output(place, name)


@contextlib.contextmanager
def stated_table(out: str | Path, facts: Mapping[str, object]) -> Iterator[Path]:
    """Yield a temporary name for a table; put it in the place of `out`, then PATH.json: `facts` and "sha256".

    An older PATH.json goes first: a run that is killed leaves no table beside what another one said of it.
    """
    with atomic_path(out) as temporary:
        yield temporary
        digest = sha256(temporary)
        beside(out).unlink(missing_ok=True)
    write_json(beside(out), {**facts, "sha256": digest})


def read_facts(path: Path) -> dict:
    """Read the PATH.json of a share.

    Raises:
        InputError: it or the share is absent, or it is damaged.
    """
    if not (path.exists() and beside(path).exists()):
        raise InputError(f"{path} or {beside(path)} does not exist: give outputs of `genomelm score --shard`")
    try:
        facts = read_json(beside(path))
    except ValueError as error:
        raise InputError(f"{beside(path)} is damaged ({error}); score the shard again") from None
    if not isinstance(facts, dict):
        raise InputError(f"{beside(path)} is damaged (no JSON object); score the shard again")
    return facts
