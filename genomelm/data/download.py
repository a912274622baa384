"""One attempt at a download over HTTP: goes on where a broken one stopped, and takes little on a server's word."""

import base64
import dataclasses
import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path

from genomelm.errors import ResourceError

PIECE = 1 << 20
LEAST_RATE = 1024  # bytes a second; what comes slower than that for `timeout` seconds counts as stalled
GIVES_UP = {400, 401, 403, 404, 405, 410, 451}  # answers that another attempt would not change
LONGEST_WAIT = 60.0  # seconds of a Retry-After that are waited for

Report = Callable[[int, int | None], None]


class Failed(Exception):
    """An attempt did not bring the file.

    Attributes:
        again: whether the same address may be tried again.
        integrity: whether what came was wrong or unsafe, and not just missing.
        after: seconds that the server asks to be left alone.
    """

    def __init__(self, text: str, *, again: bool = True, integrity: bool = False, after: float = 0.0) -> None:
        super().__init__(text)
        self.again, self.integrity, self.after = again, integrity, after


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only, and never from https back to http."""

    def http_error_302(self, req, fp, code, msg, headers):
        place = urllib.parse.urljoin(req.full_url, headers.get("Location") or "")
        old, new = (address.partition(":")[0].lower() for address in (req.full_url, place))
        if new not in ("http", "https") or (old == "https" and new == "http"):
            raise Failed(f"{req.full_url} redirects to {place}, which is not followed", again=False, integrity=True)
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows http, https and the environment's proxies: no files, no FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        *(urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler()),
        *(urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(), _Redirects()),
    ):
        opener.add_handler(handler)
    return opener


def _open(address: str, timeout: float, headers: dict[str, str] | None = None, method: str = "GET"):
    """Return the answer of a server, or raise Failed; an HTTP error other than 416 is one."""
    fixed = {"User-Agent": "genomelm", "Accept-Encoding": "identity"}
    request = urllib.request.Request(address, headers=fixed | (headers or {}), method=method)
    try:
        return _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return error
        wait = error.headers.get("Retry-After") or ""
        after = min(float(wait), LONGEST_WAIT) if wait.isdecimal() else 0.0
        error.close()
        text = f"{address} answered {error.code} {error.reason}"
        raise Failed(text, again=error.code not in GIVES_UP, after=after) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Failed(f"{address}: {getattr(error, 'reason', None) or error}") from None


def read_text(address: str, timeout: float, most: int = 8 << 20) -> str:
    """Return a small text, such as a checksum file; raise Failed when it does not come."""
    with _open(address, timeout) as answer:
        try:
            return answer.read(most).decode("utf-8", errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"{address}: {error}") from None


def size_of(address: str, timeout: float) -> int | None:
    """Return the bytes that a server says a file has; None when it does not say."""
    with _open(address, timeout, method="HEAD") as answer:
        length = answer.headers.get("Content-Length") or ""
        return int(length) if length.isdecimal() and not answer.headers.get("Content-Encoding") else None


@dataclasses.dataclass(frozen=True)
class _State:
    """What is known of a part on disk: where it came from, and what names the content there."""

    address: str = ""
    validator: str = ""  # a strong ETag, or else Last-Modified
    md5: str = ""  # in hexadecimal digits, as some stores tell it

    @staticmethod
    def of(path: Path) -> "_State":
        try:
            return _State(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return _State()


def state_path(partial: Path) -> Path:
    """Return where the facts of a part lie."""
    return partial.with_name(f"{partial.name}.json")


def forget(partial: Path) -> None:
    """Remove a part and its facts."""
    partial.unlink(missing_ok=True)
    state_path(partial).unlink(missing_ok=True)


def download(
    address: str, partial: Path, *, size: int | None, known: bool, timeout: float, report: Report
) -> str | None:
    """Bring what is missing of `partial` from `address`.

    Args:
        size: bytes of the whole file, None when unknown.
        known: whether the digest of the whole is known, so that a part of unclear origin may be continued.
        timeout: seconds without a byte.
        report: called with bytes so far and bytes in all (None when unknown).

    Returns:
        The MD5 of the whole as the server's store tells it, or None.

    Raises:
        Failed: not all of it came.
        ResourceError: the disk has no room for it.
    """
    have = partial.stat().st_size if partial.exists() else 0
    state = _State.of(state_path(partial))
    same = state.address == address and bool(state.validator)
    if size is not None and have == size and (known or same):
        return state.md5 or None
    if not (known or same) or (size is not None and have > size):
        have = 0
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if same:
            headers["If-Range"] = state.validator
    with _open(address, timeout, headers) as answer:
        if answer.status == 416:
            if (same or known) and answer.headers.get("Content-Range") == f"bytes */{have}":
                return state.md5 or None  # all of it was there already
            forget(partial)
            raise Failed(f"{address} has fewer bytes than the part that an earlier download left; beginning again")
        fresh = _state(address, answer.headers)
        decode = _decoder(address, answer.headers)
        if answer.status == 206:
            total = _check_range(answer.headers, have, address, partial)
            if decode or (same and fresh.validator not in ("", state.validator)):
                forget(partial)
                raise Failed(f"{address} changed while it was downloaded; beginning again")
            state = state if same else _State()
        elif answer.status == 200:
            have, state = 0, fresh
            length = answer.headers.get("Content-Length") or ""
            total = int(length) if length.isdecimal() else None
        else:
            raise Failed(f"{address} answered {answer.status}, which is no file")
        if decode:  # what the answer tells is of the encoded form
            total, state = None, _State(address)
        if None not in (total, size) and total > size:
            text = f"{address} has {total:,} bytes, the manifest says {size:,}: changed upstream or altered"
            raise Failed(text, integrity=True)
        check_room(partial.parent, (total or size or have) - have, partial.name.removeprefix("."))
        state_path(partial).write_text(json.dumps(dataclasses.asdict(state)), encoding="utf-8")
        with open(partial, "ab" if have else "wb") as out:
            written = _pour(answer, out, decode, have, total, size, timeout, report, address)
    for wanted in (total, size):
        if wanted is not None and written < wanted:
            text = f"{address} was truncated: {written:,} of {wanted:,} bytes came"
            raise Failed(text, integrity=True)
    return state.md5 or None


def check_room(folder: Path, needed: int, name: str) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        ResourceError: fewer than `needed` bytes are free in `folder`.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ResourceError(
            f"{name} needs {needed:,} bytes in {folder}, where {free:,} are free: "
            "make room there, or give an output on another disk"
        )


def _state(address: str, headers) -> _State:
    tag = headers.get("ETag") or ""
    validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified") or ""
    told = headers.get("Content-MD5") or ""
    for value in headers.get_all("x-goog-hash") or []:
        for part in value.split(","):
            if part.strip().startswith("md5="):
                told = part.strip()[4:]
    try:
        md5 = base64.b64decode(told, validate=True).hex()
    except ValueError:
        md5 = ""
    return _State(address, validator, md5 if len(md5) == 32 else "")


def _check_range(headers, have: int, address: str, partial: Path) -> int | None:
    """Return the size of the whole from an answer 206, whose range must be the one that was asked for."""
    told = headers.get("Content-Range") or ""
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", told)
    if not have or not match or int(match[1]) != have:
        forget(partial)
        raise Failed(f"{address} was asked for bytes from {have:,} and served '{told}'; beginning again")
    return None if match[3] == "*" else int(match[3])


def _decoder(address: str, headers):
    """Return what undoes a Content-Encoding that nobody asked for; None where there is nothing to undo.

    Servers label a .gz file as encoded with gzip although it is the file itself that is so: it is kept as it is.
    """
    encoding = (headers.get("Content-Encoding") or "identity").lower().removeprefix("x-")
    path = address.partition("?")[0]
    if encoding == "identity" or (encoding == "gzip" and path.endswith((".gz", ".bgz", ".tgz"))):
        return None
    if encoding != "gzip":
        raise Failed(f"{address} sends Content-Encoding {encoding}, though it was asked for none", integrity=True)
    return zlib.decompressobj(31)


def _pour(answer, out, decode, have: int, total, size, timeout: float, report: Report, address: str) -> int:
    """Copy the answer's body to `out`; return the bytes that the file has then."""
    written = have
    since, came = time.monotonic(), 0  # of the window in which the rate is looked at
    while True:
        try:
            piece = answer.read1(PIECE)
            came += len(piece)
            last = not piece
            if decode:
                piece = decode.decompress(piece) + (decode.flush() if last else b"")
        except (OSError, http.client.HTTPException, zlib.error) as error:
            raise Failed(f"{address}: {error or 'the connection broke'}") from None
        out.write(piece)
        written += len(piece)
        if size is not None and written > size:
            text = f"{address}: more than the manifest's {size:,} bytes came: changed upstream or altered"
            raise Failed(text, integrity=True)
        report(written, total or size)
        if last:
            if decode and not decode.eof:
                raise Failed(f"{address} was truncated: its gzip encoding stops before the end", integrity=True)
            return written
        if time.monotonic() - since >= timeout:
            if came < LEAST_RATE * timeout:
                raise Failed(f"{address} stalls: {came:,} bytes came in {timeout:.0f} s")
            since, came = time.monotonic(), 0
