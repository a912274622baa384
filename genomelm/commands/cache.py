"""genomelm cache: what the cache holds, and removing it."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

cache = typer.Typer(add_completion=False, no_args_is_help=True, help="List or remove what the cache holds.")

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SECONDS = {"h": 3600, "d": 86_400, "w": 604_800}
FOLDER = Annotated[
    Path | None, typer.Option("--folder", help="The cache; by default GENOMELM_CACHE, or ~/.cache/genomelm.")
]
BUDGET = Annotated[str | None, typer.Option(help="Bytes that the cache may take, such as 20G.")]


@cache.command()
def ls(
    folder: FOLDER = None,
    budget: BUDGET = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List what the cache holds, the longest unused first; exit 5 when it takes more than --budget."""
    import dataclasses
    import json
    import time

    from genomelm.data.cache import entries
    from genomelm.errors import ResourceError
    from genomelm.seq.fasta_index import cache_folder

    place, most = cache_folder(folder), None if budget is None else parse_bytes(budget)
    found = entries(place)
    total = sum(entry.bytes for entry in found)
    if as_json:
        keys = [field.name for field in dataclasses.fields(found[0]) if field.name != "paths"] if found else []
        shown = [{key: getattr(entry, key) for key in keys} for entry in found]
        print(json.dumps({"folder": str(place), "bytes": total, "budget": most, "entries": shown}, indent=2))
    else:
        for entry in found:
            _print(entry, time.time())
        print(f"{total:,} bytes in {len(found)} entries of {place}")
    if most is not None and total > most:
        raise ResourceError(
            f"{place} takes {total:,} bytes, the budget is {most:,}: genomelm cache rm --budget {budget} makes room"
        )


@cache.command()
def rm(
    names: Annotated[
        list[str] | None, typer.Argument(help="Entries by name, as `genomelm cache ls` prints them.")
    ] = None,
    folder: FOLDER = None,
    older_than: Annotated[
        str | None, typer.Option(help="What was not used for so long, such as 30d, 12h or 4w.")
    ] = None,
    budget: BUDGET = None,
    everything: Annotated[bool, typer.Option("--all", help="All entries.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be removed, and remove nothing.")
    ] = False,
) -> None:
    """Remove entries of the cache; what is needed again is made again.

    Only what the package itself put there is removed, and links are never followed. With --budget the longest unused
    entries go until the rest fits.
    """
    import time

    from genomelm.data.cache import chosen, entries, remove
    from genomelm.errors import UsageError
    from genomelm.seq.fasta_index import cache_folder

    if not (names or older_than or budget or everything):
        raise UsageError("say what to remove: names, --older-than, --budget or --all")
    place = cache_folder(folder)
    picked = chosen(
        entries(place),
        names=names or (),
        older_than=None if older_than is None else parse_age(older_than),
        budget=None if budget is None else parse_bytes(budget),
        everything=everything,
    )
    gone = 0
    for entry in picked:
        if dry_run or remove(entry):
            gone += entry.bytes
            _print(entry, time.time())
        else:
            typer.echo(f"{entry.name} is being made by another process and stays", err=True)
    print(f"{gone:,} bytes {'would be' if dry_run else 'were'} removed from {place}")


def parse_bytes(text: str) -> int:
    """Return the bytes that a text such as 500M or 1.5G means.

    Raises:
        UsageError: it means none.
    """
    from genomelm.errors import UsageError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not match:
        raise UsageError(f"--budget {text} is not a number of bytes, such as 500M or 20G")
    return int(float(match[1]) * UNITS[match[2].upper()])


def parse_age(text: str) -> float:
    """Return the seconds that a text such as 12h, 30d or 4w means.

    Raises:
        UsageError: it means none.
    """
    from genomelm.errors import UsageError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([hdw])", text.strip())
    if not match:
        raise UsageError(f"--older-than {text} is not a time, such as 12h, 30d or 4w")
    return float(match[1]) * SECONDS[match[2]]


def _print(entry: Any, now: float) -> None:
    age = f"{(now - entry.used) / 86_400:.1f} days"
    print(f"{entry.name}\t{entry.kind}\t{entry.bytes:,} bytes\tunused for {age}\t{entry.source or 'source unknown'}")
