"""What a fetch would do: where each file comes from, how many bytes, and whether the disk has room for them."""

import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path

from genomelm.data.checksum import read_pins
from genomelm.data.download import Failed, size_of
from genomelm.data.fetch import mirrored
from genomelm.data.manifest import Row
from genomelm.files import sha256

TIMEOUT = 15.0  # seconds for a server to tell a size


@dataclasses.dataclass(frozen=True)
class Step:
    """One file of a plan.

    Attributes:
        source: "bundled", "there already", or the address that would be tried first.
        bytes: still to come over the network or out of the repository; None when nobody says.
        digest: what the file would be held against.
    """

    name: str
    source: str
    bytes: int | None
    digest: str
    licence: str
    citation: str
    verified: bool


def plan(row: Row, target: Path, *, mirrors: Iterable[str], offline: bool, lock: Path) -> Step:
    """Return what fetching `row` as `target` would do. Nothing is written; a size is asked for unless `offline`."""
    pinned = read_pins(lock).get(row.name)
    expected = row.sha256 or pinned
    size: int | None
    if expected and target.is_file() and sha256(target) == expected:
        source, size = "there already", 0
    elif row.bundled is not None and row.bundled.is_file():
        source, size = "bundled", row.bundled.stat().st_size
    else:
        source = mirrored(row.urls[0], mirrors) if row.urls else "nowhere: neither a bundled copy nor an address"
        size = row.bytes
        if size is None and row.urls and not offline:
            try:
                size = size_of(source, TIMEOUT)
            except Failed:
                size = None
    if row.sha256:
        digest = "sha256 of the manifest"
    elif pinned:
        digest = f"sha256 pinned in {lock}"
    else:
        digest = f"checksum file {row.checksum_url}" if row.checksum_url else "none: pinned on this first use"
    return Step(row.name, source, size, digest, row.licence, row.citation, row.verified)


def free_bytes(folder: Path) -> int:
    """Return the bytes that are free where `folder` is or would be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
