"""Archives (tar, also compressed, and zip): what may be unpacked, and unpacking it inside one folder only."""

import contextlib
import dataclasses
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from genomelm.data.download import check_room
from genomelm.errors import InputError, IntegrityError
from genomelm.files import atomic_directory, atomic_path, check_folder

MOST_MEMBERS = 1_000_000
MOST_RATIO = 200  # unpacked bytes for one of the archive; text of bases and tables stays below 20
ALWAYS = 1 << 26  # unpacked bytes that are never called a bomb
_PIECE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Member:
    """A file of an archive: its path, its size as the archive tells it, and what opens it."""

    path: str
    bytes: int
    open: Callable[[], BinaryIO]


def unpack(archive: str | Path, folder: str | Path) -> list[Path]:
    """Unpack all files of an archive into a new folder, whole or not at all.

    Returns:
        The files written.

    Raises:
        InputError: it is no archive, is damaged, or its compression is not known here.
        IntegrityError: a member would leave the folder, is a link or no file, or unpacks to far too much.
        ResourceError: the disk has no room for it.
        UsageError: the folder holds other files.
    """
    archive, folder = Path(archive), Path(folder)
    with _members(archive) as members:
        check_folder(folder, {PurePosixPath(path).parts[0] for path in members})
        folder.parent.mkdir(parents=True, exist_ok=True)
        check_room(folder.parent, sum(member.bytes for member in members.values()), archive.name)
        left = _limit(archive)
        with atomic_directory(folder) as made:
            for member in members.values():
                target = made / member.path
                target.parent.mkdir(parents=True, exist_ok=True)
                left -= _write(member, target, left, archive)
    return [folder / path for path in members]


def take(archive: str | Path, path: str, target: str | Path) -> None:
    """Write one file of an archive to `target`.

    Args:
        path: of the member, or the end of it where only one member ends so.

    Raises:
        InputError: it is no archive, is damaged, has no such member or several, or its compression is not known here.
        IntegrityError: as `unpack`.
        ResourceError: the disk has no room for it.
    """
    archive, target = Path(archive), Path(target)
    with _members(archive) as members:
        fits = [path] if path in members else [name for name in members if name.endswith(f"/{path}")]
        if len(fits) != 1:
            told = ", ".join((fits or list(members))[:5])
            count = f"{len(fits)} members" if fits else "no member"
            raise InputError(
                f"{archive} has {count} called {path}; it holds {told}{', ...' if len(members) > 5 else ''}"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        check_room(target.parent, members[fits[0]].bytes, fits[0])
        with atomic_path(target) as temporary:
            _write(members[fits[0]], temporary, _limit(archive), archive)


def check_archive(archive: str | Path) -> None:
    """Refuse an archive that `unpack` would refuse; nothing is written.

    Raises:
        InputError: it is no archive, or it is damaged.
        IntegrityError: as `unpack`.
    """
    with _members(Path(archive)):
        pass


def _limit(archive: Path) -> int:
    return max(ALWAYS, MOST_RATIO * archive.stat().st_size)


def _write(member: Member, target: Path, left: int, archive: Path) -> int:
    """Copy a member, never more than `left` bytes whatever its header says; return its bytes."""
    written = 0
    with member.open() as stream, open(target, "xb" if not target.exists() else "wb") as out:
        while piece := stream.read(_PIECE):
            written += len(piece)
            if written > left:
                raise _bomb(archive)
            out.write(piece)
    if written != member.bytes:
        raise InputError(f"{archive} is damaged: {member.path} has {written:,} of {member.bytes:,} bytes")
    return written


def _bomb(archive: Path) -> IntegrityError:
    return IntegrityError(f"{archive} would unpack to more than {_limit(archive):,} bytes: refused as a bomb")


@contextlib.contextmanager
def _members(archive: Path) -> Iterator[dict[str, Member]]:
    """Yield the files of an archive by path, all of them checked before any is read."""
    with contextlib.ExitStack() as stack:
        try:
            if zipfile.is_zipfile(archive):
                raw = _zip_members(stack.enter_context(zipfile.ZipFile(archive)), archive)
            elif tarfile.is_tarfile(archive):
                raw = _tar_members(stack.enter_context(tarfile.open(archive)), archive)
            else:
                raise InputError(f"{archive} is neither a tar nor a zip archive")
            found, total = {}, 0
            for member in raw:
                _refuse_path(member.path, archive)
                if member.path in found:
                    raise IntegrityError(f"{archive} holds {member.path} twice: refused")
                found[member.path] = member
                total += member.bytes
                if total > _limit(archive) or len(found) > MOST_MEMBERS:
                    raise _bomb(archive)
            parents = {str(parent) for path in found for parent in PurePosixPath(path).parents}
            if clash := sorted(parents & set(found)):
                raise IntegrityError(f"{archive} holds {clash[0]} as a file and as a folder: refused")
            yield found
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, gzip.BadGzipFile, EOFError) as error:
            raise InputError(f"{archive} is damaged ({error}); fetch it again") from None
        except NotImplementedError as error:
            raise InputError(
                f"{archive} is packed in a way that Python cannot read ({error}): unpack it with another program"
            ) from None


def _refuse_path(path: str, archive: Path) -> None:
    parts = path.split("/")
    if path.startswith("/") or not set(parts).isdisjoint(("", ".", "..")) or "\\" in path or ":" in parts[0]:
        raise IntegrityError(f"{archive} holds a member '{path}', which would not stay in the folder: refused")
    if "\0" in path or any(len(os.fsencode(part)) > 255 for part in parts):
        raise IntegrityError(f"{archive} holds a member whose name no file can have: refused")


def _zip_members(archive: zipfile.ZipFile, path: Path) -> Iterator[Member]:
    for entry in archive.infolist():
        mode = entry.external_attr >> 16
        if entry.is_dir():
            _refuse_path(entry.filename.rstrip("/"), path)
            continue
        if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise IntegrityError(f"{path} holds '{entry.filename}', which is a link or no file: refused")
        if entry.flag_bits & 1:
            raise InputError(f"{path} holds '{entry.filename}', which is encrypted")
        yield Member(entry.filename, entry.file_size, lambda entry=entry: archive.open(entry))


def _tar_members(archive: tarfile.TarFile, path: Path) -> Iterator[Member]:
    for entry in archive:
        name = entry.name.removeprefix("./")
        if entry.isdir():
            if name not in ("", "."):
                _refuse_path(name.rstrip("/"), path)
            continue
        if not entry.isfile():
            raise IntegrityError(f"{path} holds '{entry.name}', which is a link or no file: refused")
        yield Member(name, entry.size, lambda entry=entry: archive.extractfile(entry))
