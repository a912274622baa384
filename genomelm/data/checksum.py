"""Digests of files whose publisher gives a checksum file: reading it, and pinning what was found on first use."""

import re
import urllib.request
from pathlib import Path

from genomelm.errors import InputError, IntegrityError
from genomelm.files import output_lock, write_text

ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by number of hexadecimal digits


def published_checksum(address: str, name: str, timeout: float) -> tuple[str, str]:
    """Download a checksum file and return (algorithm, hexadecimal digest) of the file called `name`."""
    with urllib.request.urlopen(address, timeout=timeout) as answer:
        text = answer.read(8 << 20).decode("utf-8", errors="replace")
    return find_checksum(text, name, address)


def find_checksum(text: str, name: str, source: str) -> tuple[str, str]:
    """Return (algorithm, digest) for `name` from the text of an `md5sum`-like file.

    A file that holds one digest and no name is taken as this file's.

    Raises:
        InputError: no line speaks of `name`.
    """
    alone = re.fullmatch(r"\s*([0-9a-fA-F]+)\s*", text)
    if alone and len(alone[1]) in ALGORITHMS:
        return ALGORITHMS[len(alone[1])], alone[1].lower()
    for line in text.splitlines():
        match = re.match(r"\s*([0-9a-fA-F]{32,128})\s+\*?(\S+)\s*$", line)
        if match and len(match[1]) in ALGORITHMS and match[2].rsplit("/", 1)[-1] == name:
            return ALGORITHMS[len(match[1])], match[1].lower()
    raise InputError(f"{source} holds no digest of {name}: is it the checksum file of this release?")


def read_pins(path: Path) -> dict[str, str]:
    """Return name -> SHA-256 of the files that were pinned on first use; empty when the table is missing."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return dict(line.split("\t")[:2] for line in lines if line.count("\t") >= 1)


def pin(path: Path, name: str, digest: str) -> None:
    """Remember the digest of a file at its first use.

    Raises:
        IntegrityError: another digest was pinned before.
    """
    with output_lock(path):
        pins = read_pins(path)
        if pins.setdefault(name, digest) != digest:
            raise IntegrityError(f"{name} has sha256 {digest}, but {pins[name]} was pinned in {path} on first use")
        write_text(path, "name\tsha256\n" + "".join(f"{key}\t{value}\n" for key, value in sorted(pins.items())))
