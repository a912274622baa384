"""Fetch the published file of a manifest row: a bundled copy, or a download that is checked before it gets its name."""

import contextlib
import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from genomelm.data.checksum import published_checksum
from genomelm.data.manifest import Row
from genomelm.errors import IntegrityError, ResourceError
from genomelm.files import atomic_path, output_lock, sha256

logger = logging.getLogger(__name__)

ATTEMPTS = 3
TIMEOUT = 60.0  # seconds without a byte
PIECE = 1 << 20


class _Incomplete(Exception):
    """A download that could not start or broke off; what has come is kept, and the next attempt goes on there."""


class _Truncated(_Incomplete):
    """A server said that it was done before all bytes had come."""


def fetch(
    row: Row,
    target: str | Path,
    *,
    mirror: str | None = None,
    offline: bool = False,
    pinned: str | None = None,
    wait: float = 1.0,
) -> str:
    """Put the published bytes of `row` at `target`, checked by digest.

    A bundled copy is taken when there is one. Otherwise the addresses are tried in order, each
    three times with back-off; a broken download goes on where it stopped, under a temporary name.

    Args:
        mirror: base address that takes the place of scheme and host of every address.
        offline: never use the network.
        pinned: digest of a row without one, from its first use.
        wait: seconds before the second attempt; doubled for each further one.

    Returns:
        The SHA-256 of the file.

    Raises:
        IntegrityError: the bytes are not the manifest's; nothing is left behind.
        ResourceError: no address could be reached, or the file is needed and `offline` is set.
    """
    target = Path(target)
    expected = row.sha256 or pinned
    if row.bundled is not None and row.bundled.is_file():
        return _copy_bundled(row, target, expected)
    if offline or not row.urls:
        reason = "the network is switched off (--offline)" if row.urls else "it has no address to download from"
        raise ResourceError(f"{row.name}: no bundled copy at {row.bundled or 'any path'}, and {reason}")
    with output_lock(target):
        partial = target.parent / f".{target.name}.part"
        check = _digest_check(row, expected, mirror)
        last: Exception | None = None
        for address in (mirrored(url, mirror) for url in row.urls):
            for attempt in range(ATTEMPTS):
                if attempt:
                    logger.warning("%s: attempt %d failed (%s); trying again", row.name, attempt, last)
                    time.sleep(wait * 2 ** (attempt - 1))
                try:
                    _download(address, partial, row)
                    digest = check(partial)
                except _Incomplete as error:
                    last = error
                except IntegrityError as error:
                    partial.unlink(missing_ok=True)  # wrong bytes cannot be continued
                    last = error
                else:
                    with open(partial, "rb") as written:
                        os.fsync(written.fileno())
                    os.replace(partial, target)
                    return digest
        if isinstance(last, IntegrityError | _Truncated):
            partial.unlink(missing_ok=True)
            raise IntegrityError(f"{row.name}: {last}; nothing was kept. Try again later, or give a --mirror")
        kept = partial.stat().st_size if partial.exists() else 0
        hint = f"; {kept:,} bytes are kept, and the same command goes on from there" if kept else ""
        raise ResourceError(f"{row.name}: {last}{hint}. Check the network and proxy settings, or give a --mirror")


def mirrored(url: str, mirror: str | None) -> str:
    """Return `url` with its scheme and host replaced by the base address `mirror`."""
    return url if not mirror else mirror.rstrip("/") + "/" + url.split("/", 3)[3]


def _copy_bundled(row: Row, target: Path, expected: str | None) -> str:
    with atomic_path(target) as temporary:
        shutil.copyfile(row.bundled, temporary)
        digest = sha256(temporary)
        if expected is not None and digest != expected:
            raise IntegrityError(
                f"{row.name}: the bundled copy {row.bundled} has sha256 {digest}, the manifest says {expected}; "
                "restore it from the repository"
            )
    return digest


def _digest_check(row: Row, expected: str | None, mirror: str | None) -> Callable[[Path], str]:
    """Return a function that gives a file's SHA-256, or raises IntegrityError when the file is not the row's."""
    algorithm, published = "sha256", expected
    if expected is None:
        with _network_errors(row):
            algorithm, published = published_checksum(
                mirrored(row.checksum_url, mirror), row.urls[0].rsplit("/", 1)[1], TIMEOUT
            )

    def check(path: Path) -> str:
        import hashlib

        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, algorithm).hexdigest()
        if found != published:
            raise IntegrityError(f"{algorithm} is {found} where {published} was expected: changed upstream or altered")
        return found if algorithm == "sha256" else sha256(path)

    return check


@contextlib.contextmanager
def _network_errors(row: Row):
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise ResourceError(f"{row.name}: the checksum file {row.checksum_url} cannot be read: {error}") from None


def _download(address: str, partial: Path, row: Row) -> None:
    """Append to `partial` what is missing of it, from `address`."""
    partial.parent.mkdir(parents=True, exist_ok=True)
    have = partial.stat().st_size if partial.exists() else 0
    if row.bytes is not None and have >= row.bytes:
        if have == row.bytes:
            return
        have = 0
    request = urllib.request.Request(address, headers={"User-Agent": "genomelm", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            resumed = answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
            have = have if resumed else 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length and length.isdecimal() else row.bytes
            with open(partial, "ab" if resumed else "wb") as out:
                written = have + _pour(answer, out, row, have, total)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # the server has less than we have: begin again
            partial.unlink(missing_ok=True)
        raise _Incomplete(f"{address} answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Incomplete(f"{address}: {error}") from None
    for wanted in (total, row.bytes):
        if wanted is not None and written < wanted:
            raise _Truncated(f"{address} was truncated: {written:,} of {wanted:,} bytes came")


def _pour(answer: http.client.HTTPResponse, out, row: Row, have: int, total: int | None) -> int:
    """Copy the answer's body to `out`, with a progress line every five seconds; return the bytes copied."""
    copied, start = 0, time.monotonic()
    told = start
    while piece := answer.read(PIECE):
        out.write(piece)
        copied += len(piece)
        if row.bytes is not None and have + copied > row.bytes:
            raise IntegrityError(f"more than the manifest's {row.bytes:,} bytes came: changed upstream or altered")
        now = time.monotonic()
        if now - told >= 5:
            told, rate = now, copied / (now - start)
            left = f", {(total - have - copied) / rate:.0f} s left" if total else ""
            logger.info("%s: %.1f MB, %.1f MB/s%s", row.name, (have + copied) / 1e6, rate / 1e6, left)
    return copied
