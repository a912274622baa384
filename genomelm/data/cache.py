"""The cache: what lies in it, from what it was made, how large and how old it is, and removing it."""

import contextlib
import dataclasses
import fcntl
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from genomelm.errors import UsageError
from genomelm.seq.fasta_index import SOURCE

KEY = "[0-9a-f]{16}"
INDEX_FILES = re.compile(rf".*\.(fai|gzi)|(.*\.)?{re.escape(SOURCE)}")
UNFINISHED = re.compile(r"\..*\.(tmp|old)|\.genomelm-index-.*")
UNFINISHED_SECONDS = 86_400.0  # what is younger may still be being written


@dataclasses.dataclass(frozen=True)
class Entry:
    """One thing in the cache that can be made again.

    Attributes:
        name: how `remove` is asked for it.
        kind: copy (a genome as BGZF, with its indexes), index (of a genome in a folder that cannot be written),
            records (of a FASTA or FASTQ file), or unfinished (left behind by a process that was killed).
        paths: its files and folders.
        bytes: on disk.
        used: seconds since 1970 of the last reading or writing.
        source: the file that it was made from; empty when that is not known.
    """

    name: str
    kind: str
    paths: tuple[Path, ...]
    bytes: int
    used: float
    source: str


def entries(folder: Path) -> list[Entry]:
    """Return what the package keeps in a cache folder, the longest unused first; other files are not looked at."""
    found = [*_top(folder), *_records(folder / "records")]
    return sorted(found, key=lambda entry: (entry.used, entry.name))


def _top(folder: Path) -> Iterator[Entry]:
    names = _names(folder)
    for name in names:
        path = folder / name
        if UNFINISHED.fullmatch(name):
            yield from _unfinished(path, name)
        elif re.fullmatch(KEY, name) and _is_folder(path):
            if all(INDEX_FILES.fullmatch(inner) for inner in _names(path)):
                yield _entry(name, "index", [path], _source(path / SOURCE))
        elif re.fullmatch(f"{KEY}-.+", name) and _is_file(path) and not INDEX_FILES.fullmatch(name):
            own = [other for other in names if other in (f"{name}.fai", f"{name}.gzi", f"{name}.{SOURCE}")]
            yield _entry(name, "copy", [path, *(folder / other for other in own)], _source(folder / f"{name}.{SOURCE}"))


def _records(folder: Path) -> Iterator[Entry]:
    if not _is_folder(folder):
        return
    for name in _names(folder):
        path = folder / name
        if re.fullmatch(KEY, name) and _is_folder(path):
            yield _entry(f"records/{name}", "records", [path], _source(path / "records.json"))
        elif UNFINISHED.fullmatch(name):
            yield from _unfinished(path, f"records/{name}")


def _unfinished(path: Path, name: str) -> Iterator[Entry]:
    entry = _entry(name, "unfinished", [path], "")
    if time.time() - entry.used > UNFINISHED_SECONDS:
        yield entry


def _entry(name: str, kind: str, paths: list[Path], source: str) -> Entry:
    sizes, used = [], 0.0
    for path in paths:
        for file in [path, *path.rglob("*")] if _is_folder(path) else [path]:
            with contextlib.suppress(FileNotFoundError):  # another process removes it
                status = file.lstat()
                listed = not stat.S_ISREG(status.st_mode) or file.suffix == ".json"  # reading these is no use of it
                used = max(used, status.st_mtime if listed else max(status.st_mtime, status.st_atime))
                sizes.append(status.st_blocks * 512)
    return Entry(name, kind, tuple(paths), sum(sizes), used, source)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()  # a link could lead out of the cache


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _source(path: Path) -> str:
    """Return the file that an entry was made from, as the entry tells it."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        return str(facts.get("source") or facts["facts"]["source"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def chosen(
    found: Iterable[Entry],
    *,
    names: Iterable[str] = (),
    older_than: float | None = None,
    budget: int | None = None,
    everything: bool = False,
) -> list[Entry]:
    """Return the entries to remove.

    Args:
        found: entries, the longest unused first.
        names: entries by name.
        older_than: seconds; what was not used for so long.
        budget: bytes; the longest unused, until the rest fits.
        everything: all of them.

    Raises:
        UsageError: a name is not an entry's.
    """
    found, names = list(found), list(names)
    known = {entry.name for entry in found}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"the cache has no entry '{unknown[0]}'; `genomelm cache ls` prints their names")
    now = time.time()
    picked = {
        entry.name
        for entry in found
        if everything or entry.name in names or (older_than is not None and now - entry.used > older_than)
    }
    left = sum(entry.bytes for entry in found if entry.name not in picked)
    for entry in found:
        if budget is not None and left > budget and entry.name not in picked:
            picked.add(entry.name)
            left -= entry.bytes
    return [entry for entry in found if entry.name in picked]


def remove(entry: Entry) -> bool:
    """Remove an entry's files; return False where another process is building it."""
    path = entry.paths[0]
    with contextlib.ExitStack() as stack:
        lock = path.parent / f".{path.name}.lock"
        if lock.exists():
            handle = stack.enter_context(open(lock, "w"))
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False
        for path in entry.paths:
            if _is_folder(path):
                shutil.rmtree(path)  # follows no links
            else:
                path.unlink(missing_ok=True)
    return True
