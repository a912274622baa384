"""Digests of files whose publisher gives a checksum file: reading it, and pinning what was found on first use."""

import datetime
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from genomelm.errors import InputError, IntegrityError, ResourceError, UsageError
from genomelm.files import output_lock, write_text

ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by number of hexadecimal digits
HEX = r"(?P<digest>[0-9a-fA-F]{32,128})"
LINES = (  # md5sum and sha256sum; BSD; a digest alone
    re.compile(rf"{HEX}\s+\*?(?P<name>\S+)"),
    re.compile(rf"\w+ ?\((?P<name>[^)]+)\) ?= ?{HEX}"),
    re.compile(HEX),
)
LONGEST_WAIT = 60.0  # seconds for another process that pins


def find_checksum(text: str, address: str, source: str) -> tuple[str, str]:
    """Return (algorithm, digest) of the file at `address` from a publisher's checksum file.

    Known are the lists of md5sum and sha256sum, BSD's lines, the JSON records of archives, and a file with one digest.
    Where several entries have the file's name, the one counts whose path is the longest end of the address's.

    Args:
        text: what the checksum file holds.
        source: its address.

    Raises:
        InputError: no entry speaks of the file, or several that differ.
    """
    path = unquote(urlsplit(address).path)
    name = path.rsplit("/", 1)[-1]
    entries = list(_json_entries(text) if text.lstrip()[:1] in ("{", "[") else _line_entries(text))
    entries = [(told.removeprefix("./"), digest.lower()) for told, digest in entries if len(digest) in ALGORITHMS]
    found = [(told, digest) for told, digest in entries if told.rsplit("/", 1)[-1] == name]
    if ends := [told for told, _ in found if path.endswith(f"/{told}")]:
        found = [entry for entry in found if entry[0] == max(ends, key=len)]
    own = unquote(urlsplit(source).path).rsplit("/", 1)[-1].startswith(f"{name}.")  # such as FILE.md5: of one release
    if not found and len(entries) == 1 and (own or not entries[0][0]):
        found = entries
    digests = {digest for _, digest in found}
    if len(digests) > 1:
        raise InputError(f"{source} holds {len(digests)} different digests of {name}: give the row's sha256")
    if not digests:
        raise InputError(f"{source} holds no digest of {name}: is it the checksum file of this release?")
    digest = digests.pop()
    return ALGORITHMS[len(digest)], digest


def _line_entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name or nothing, digest)."""
    for line in text.splitlines():
        for pattern in LINES:
            if match := pattern.fullmatch(line.strip()):
                yield match.groupdict().get("name", ""), match["digest"]
                break


def _json_entries(text: str) -> Iterator[tuple[str, str]]:
    """Yield (name or nothing, digest) of each object that has a digest and a name beside it."""
    try:
        stack = [json.loads(text)]
    except ValueError:
        return
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            texts = {key: part for key, part in value.items() if isinstance(part, str)}
            digests = [
                match["digest"]
                for key, part in texts.items()
                if re.search("md5|sha|checksum", key, re.IGNORECASE)
                and (match := re.fullmatch(rf"(?:\w+:)?{HEX}", part))
            ]
            names = [part for key, part in texts.items() if key in ("key", "filename", "name", "path", "href")]
            yield from ((name, digest) for digest in digests[:1] for name in names or [""])
            stack += value.values()
        elif isinstance(value, list):
            stack += value


def read_pins(path: Path) -> dict[str, str]:
    """Return name -> SHA-256 of the files that were pinned on first use; empty when the table is missing."""
    return {cells[0]: cells[1] for cells in _lines(path)}


def _lines(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return [line.split("\t") for line in lines if line.count("\t") >= 1]


def pin(path: Path, name: str, digest: str) -> None:
    """Remember the digest of a file at its first use, and when that was; waits for other processes that pin.

    Raises:
        IntegrityError: another digest was pinned before.
        ResourceError: the table cannot be written.
    """
    until = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            with output_lock(path):
                _pin(path, name, digest)
            return
        except UsageError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        except (OSError, ResourceError) as error:
            raise ResourceError(
                f"the digest of {name} cannot be pinned in {path} ({getattr(error, 'strerror', error)}): "
                "copy the manifest to a folder that can be written, and give it with --manifest"
            ) from None


def _pin(path: Path, name: str, digest: str) -> None:
    lines = {cells[0]: cells for cells in _lines(path)}
    if name in lines:
        if lines[name][1] != digest:
            raise IntegrityError(f"{name} has sha256 {digest}, but {lines[name][1]} was pinned in {path} on first use")
        return
    lines[name] = [name, digest, datetime.datetime.now(datetime.UTC).date().isoformat()]
    text = "".join("\t".join(cells) + "\n" for _, cells in sorted(lines.items()))
    write_text(path, "name\tsha256\tdate\n" + text)
