"""Files that are complete or absent: atomic writes, digests, provenance, locks."""

import contextlib
import datetime
import hashlib
import json
import os
import platform
import shlex
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from importlib import metadata
from pathlib import Path

from genomelm.errors import ResourceError, UsageError


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it onto `path` when the block ends well.

    The data is flushed to disk before the rename. When the block raises, the temporary file is
    removed and `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        os.close(handle)
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary directory beside `path`; put it in the place of `path` when the block ends well.

    A directory that was at `path` is removed. When the block raises, `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    aside = temporary.with_suffix(".old")
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        for file in filter(Path.is_file, temporary.rglob("*")):
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        if path.exists():
            os.rename(path, aside)
        os.rename(temporary, path)
    finally:
        if aside.exists() and not path.exists():
            os.rename(aside, path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def check_folder(path: str | Path, own: Collection[str]) -> None:
    """Refuse an output folder that holds other files than its command's: the new folder takes its place as a whole.

    Raises:
        UsageError: it is a file, or lies below one, or something in it is not `own`.
    """
    path = Path(path)
    check_no_file(path)
    others = sorted(set(os.listdir(path)) - set(own)) if path.is_dir() else []
    if others:
        raise UsageError(f"{path} holds other files ({', '.join(others[:3])}): give a folder of its own")


def check_no_file(path: str | Path) -> None:
    """Refuse a name for an output folder that is a file's, or lies below a file.

    Raises:
        UsageError: so it is.
    """
    for part in (Path(path), *Path(path).parents):
        if part.exists():
            if not part.is_dir():
                raise UsageError(f"{path} cannot be a folder: {part} is a file; give the name of a folder")
            return


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON, atomically. NaN and Inf are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> dict:
    """Read a JSON object written by this package."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def digest_of(value: object) -> str:
    """Return the SHA-256 of a JSON value in canonical form: the base of every fingerprint."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def provenance(**facts: object) -> dict:
    """Return what made an output: version, command, time, machine, and the caller's `facts`."""
    return {
        "genomelm": metadata.version("genomelm"),
        "python": platform.python_version(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **facts,
    }


def refuse_inputs(out: str | Path | None, *inputs: str | Path | None) -> None:
    """Refuse an output that is one of the inputs.

    Raises:
        UsageError: it is.
    """
    if out is None or not Path(out).exists():
        return
    for given in inputs:
        if given is not None and Path(given).exists() and os.path.samefile(out, given):
            raise UsageError(f"{out} is an input of this run, and would be replaced: name another output")


@contextlib.contextmanager
def output_lock(path: str | Path) -> Iterator[None]:
    """Hold an exclusive lock beside `path`, so that two processes never write one output.

    Raises:
        UsageError: another process holds the lock.
        ResourceError: no file can be made there.
    """
    import errno
    import fcntl

    lock = Path(path).parent / f".{Path(path).name}.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):  # told by themselves
            raise
        raise ResourceError(
            f"{path} cannot be written ({error.strerror}: {lock.parent}); choose another output"
        ) from None
    with open(lock, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder removes the file at its end: a lock on a removed file guards nothing.
            held = lock.exists() and os.path.samestat(os.fstat(handle.fileno()), lock.stat())
        except OSError:
            held = False
        if not held:
            raise UsageError(
                f"{path} is being written by another genomelm process; wait for it or choose another output"
            )
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
