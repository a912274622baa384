"""Fetch the published file of a manifest row: a bundled copy, or a download that is checked before it gets its name."""

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from genomelm.data.checksum import find_checksum, pin, read_pins
from genomelm.data.download import Failed, download, forget, read_text, state_path
from genomelm.data.manifest import Row
from genomelm.data.prepare import check_published
from genomelm.data.progress import transfer
from genomelm.errors import InputError, IntegrityError, ResourceError, UsageError
from genomelm.files import atomic_path, output_lock, sha256

logger = logging.getLogger(__name__)

ATTEMPTS = 3
TIMEOUT = 60.0  # seconds without a byte


def fetch(
    row: Row,
    target: str | Path,
    *,
    mirrors: Iterable[str] = (),
    offline: bool = False,
    lock: Path | None = None,
    wait: float = 1.0,
    timeout: float = TIMEOUT,
) -> str:
    """Put the published bytes of `row` at `target`, checked by digest.

    A file that is there already and has the digest is kept, and a bundled copy is taken when there is one. Otherwise
    the addresses are tried in order, each three times with back-off; a broken download goes on where it stopped,
    under a temporary name.

    Args:
        mirrors: base addresses that take the place of scheme and host, as `mirrored` takes them.
        offline: never use the network.
        lock: table in which the digest of a row without one is pinned on its first use.
        wait: seconds before the second attempt; doubled for each further one.
        timeout: seconds without a byte after which an attempt is given up.

    Returns:
        The SHA-256 of the file.

    Raises:
        IntegrityError: the bytes are not the manifest's, or not those of the first use; nothing is left behind.
        ResourceError: no address could be reached, the disk has no room, or the file is needed and `offline` is set.
    """
    target, mirrors = Path(target), tuple(mirrors)
    expected = row.sha256 or (read_pins(lock).get(row.name) if lock else None)
    if expected and target.is_file() and sha256(target) == expected:
        logger.info("%s: %s is there already, and its digest is right", row.name, target)
        return expected
    pins = lock if row.sha256 is None else None
    if row.bundled is not None and row.bundled.is_file():
        return _copy_bundled(row, target, expected, pins)
    if offline or not row.urls:
        reason = "the network is switched off (--offline)" if row.urls else "it has no address to download from"
        raise ResourceError(f"{row.name}: no bundled copy at {row.bundled or 'any path'}, and {reason}")
    partial = target.parent / f".{target.name}.part"
    with output_lock(target):
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            check = _digest_check(row, expected, mirrors, wait, timeout)

            def attempt(address: str) -> str:
                known = expected is not None or row.checksum_url is not None
                with transfer(row.name) as report:
                    md5 = download(address, partial, size=row.bytes, known=known, timeout=timeout, report=report)
                return check(partial, md5)

            digest = _persist(attempt, [mirrored(url, mirrors) for url in row.urls], row.name, wait)
            if pins is not None:
                pin(pins, row.name, digest)
        except Failed as error:
            if error.integrity:
                forget(partial)
                raise IntegrityError(
                    f"{row.name}: {error}; nothing was kept. Try again later, or give {_other(row, mirrors)}"
                ) from None
            kept = partial.stat().st_size if partial.exists() else 0
            hint = f"; {kept:,} bytes are kept, and the same command goes on from there" if kept else ""
            raise ResourceError(
                f"{row.name}: {error}{hint}. Check the network and proxy settings, or give {_other(row, mirrors)}"
            ) from None
        except IntegrityError:
            forget(partial)
            raise
        except OSError as error:
            raise ResourceError(f"{row.name}: {partial} cannot be written: {error.strerror or error}") from None
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        os.replace(partial, target)
        state_path(partial).unlink(missing_ok=True)
    return digest


def mirrored(url: str, mirrors: Iterable[str]) -> str:
    """Return `url` with its scheme and host replaced by a base address.

    Args:
        mirrors: base addresses. One that is given as HOST=BASE holds for that host, one without for all others.

    Raises:
        UsageError: a base is no address.
    """
    _, _, host, path = url.split("/", 3)
    bases = mirror_bases(mirrors)
    base = bases.get(host, bases.get(None))
    return url if base is None else f"{base.rstrip('/')}/{path}"


def mirror_bases(mirrors: Iterable[str]) -> dict[str | None, str]:
    """Return host -> base address of mirrors as `mirrored` takes them; None stands for all other hosts.

    Raises:
        UsageError: a base is no address.
    """
    bases = {}
    for mirror in mirrors:
        match = re.fullmatch(r"(?:([^/=\s]+)=)?(https?://[^/\s]+\S*)", mirror)
        if not match:
            raise UsageError(f"--mirror {mirror} is neither a base address (https://...) nor HOST=https://...")
        bases[match[1]] = match[2]
    return bases


def take_source(row: Row, source: str | Path, lock: Path) -> tuple[str, str]:
    """Hold a published file that is on this machine already against what is known of the row.

    Where no digest is known, the file is looked at as a download is, and its digest pinned: with a warning, because
    nobody says that these are the publisher's bytes.

    Args:
        lock: table of the digests that were pinned on first use.

    Returns:
        The SHA-256 of the file, and what it was held against.

    Raises:
        InputError: it is cut, or not of the row's kind.
        IntegrityError: it has another digest, or is an archive that is not safe to unpack.
    """
    digest, pinned = sha256(source), read_pins(lock).get(row.name)
    expected = row.sha256 or pinned
    if expected is not None and digest != expected:
        raise IntegrityError(f"{source} is not the published {row.name}: its sha256 is not {expected}; fetch it again")
    if expected is not None:
        return digest, "sha256 of the manifest" if row.sha256 else f"sha256 pinned in {lock}"
    check_published(Path(source), row.kind, row.name, row.member)
    pin(lock, row.name, digest)
    logger.warning(
        "%s: no digest is known here that %s could be held against%s: its sha256 %s is pinned in %s as of a first use. "
        "Compare it with the publisher's, or bring the lock.tsv of where it was fetched",
        *(row.name, source, f" (the publisher's stands at {row.checksum_url})" if row.checksum_url else ""),
        *(digest, lock),
    )
    return digest, f"nothing: pinned in {lock} as of a first use"


def _other(row: Row, mirrors: tuple[str, ...]) -> str:
    """Return what to give instead of the addresses that failed."""
    tried = {mirrored(url, mirrors) for url in row.urls} - set(row.urls)
    return f"another --mirror (it sent this to {', '.join(sorted(tried))})" if tried else "a --mirror"


def _persist(action: Callable[[str], str], addresses: list[str], name: str, wait: float) -> str:
    """Return what `action` gives for the first address that serves it, each tried three times."""
    last = Failed("there is no address")
    for address in addresses:
        for attempt in range(ATTEMPTS):
            if attempt:
                logger.warning("%s: attempt %d failed (%s); trying again", name, attempt, last)
                time.sleep(max(wait * 2 ** (attempt - 1), last.after))
            try:
                return action(address)
            except Failed as error:
                last = error
                if not error.again:
                    break
    raise last


def _copy_bundled(row: Row, target: Path, expected: str | None, pins: Path | None) -> str:
    with atomic_path(target) as temporary:
        shutil.copyfile(row.bundled, temporary)
        digest = sha256(temporary)
        if expected is not None and digest != expected:
            raise IntegrityError(
                f"{row.name}: the bundled copy {row.bundled} has sha256 {digest}, the manifest says {expected}; "
                "restore it from the repository"
            )
        if pins is not None:
            pin(pins, row.name, digest)
    return digest


def _digest_check(
    row: Row, expected: str | None, mirrors: tuple[str, ...], wait: float, timeout: float
) -> Callable[[Path, str | None], str]:
    """Return a function that gives a file's SHA-256, or raises Failed when the file is not the row's.

    The function takes the part's path and the MD5 that the server told, or None.
    """
    algorithm, published = "sha256", expected
    if expected is None and row.checksum_url:
        text = _persist(
            lambda address: read_text(address, timeout), [mirrored(row.checksum_url, mirrors)], row.name, wait
        )
        algorithm, published = find_checksum(text, row.urls[0], row.checksum_url)

    def check(path: Path, md5: str | None) -> str:
        wanted = [(algorithm, published)] if published else [("md5", md5)] if md5 else []
        for kind, digest in wanted:
            with open(path, "rb") as stream:
                found = hashlib.file_digest(stream, kind).hexdigest()
            if found != digest:
                forget(path)  # wrong bytes cannot be continued
                source = "was pinned on first use" if published and row.sha256 is None else "was expected"
                text = f"{kind} is {found} where {digest} {source}: changed upstream or altered"
                raise Failed(text, integrity=True)
        if not published:  # nothing is known of the file but its kind
            try:
                check_published(path, row.kind, row.name, row.member)
            except (InputError, IntegrityError) as error:
                forget(path)
                raise Failed(str(error), integrity=True) from None
        return published if published and algorithm == "sha256" else sha256(path)

    return check
