"""How many records a VCF or BCF has: counted in a small file, and guessed from the first MB of a larger one."""

import struct
import zlib
from collections.abc import Iterator
from functools import cache
from io import BufferedReader
from pathlib import Path

SAMPLE = 1 << 20
"""Bytes of a file, behind its header, that are read to guess; a file with fewer is counted."""
PLAIN = 16 << 20
"""Uncompressed bytes that are read at most for this: genotypes of many samples compress well."""
CHUNK = 1 << 16
BCF = b"BCF\x02"


def records_in(path: Path) -> int:
    """Return the records of a VCF (plain, gzip, bgzip) or BCF: exactly, or about as many as its first ones tell."""
    facts = path.stat()
    return _records_in(path.absolute(), facts.st_size, facts.st_mtime_ns)


@cache
def _records_in(path: Path, size: int, _: int) -> int:
    plain, begin, start, offset = bytearray(), None, 0, 0
    with open(path, "rb") as file:
        for piece, end in _pieces(file):
            before = len(plain)
            plain += piece
            if begin is None and (begin := _header_end(plain)) is not None:
                # Where in the file the header ends, as if this piece were compressed evenly.
                start = offset + round((begin - before) / len(piece) * (end - offset))
            offset = end
            if begin is not None and (offset - start >= SAMPLE or len(plain) - begin >= PLAIN):
                break
    if begin is None:
        return 0
    count, used = _records(bytes(plain[begin:]), plain.startswith(BCF), offset >= size)
    if offset >= size or not count:
        return count if offset >= size else 1
    return round(count * (size - start) / ((offset - start) * used / (len(plain) - begin)))


def _pieces(file: BufferedReader) -> Iterator[tuple[bytes, int]]:
    """Yield uncompressed bytes, and the place in the file behind those that they were made from.

    A damaged file ends where it is damaged: the job that scores it tells of that.
    """
    packed = file.peek(2)[:2] == b"\x1f\x8b"
    engine = zlib.decompressobj(31)
    while chunk := file.read(CHUNK):
        parts = [] if packed else [chunk]
        try:
            while packed and chunk:
                parts.append(engine.decompress(chunk))
                chunk = engine.unused_data
                if engine.eof:
                    engine = zlib.decompressobj(31)
        except zlib.error:
            return
        yield b"".join(parts), file.tell()


def _header_end(plain: bytearray) -> int | None:
    """Return the place behind the header; None where it is not there yet."""
    if plain.startswith(BCF):
        end = 9 + struct.unpack_from("<I", plain, 5)[0] if len(plain) >= 9 else None
        return end if end is not None and len(plain) >= end else None
    line = 0 if plain.startswith(b"#CHROM") else plain.find(b"\n#CHROM")
    end = -1 if line < 0 else plain.find(b"\n", line + 1)
    return None if end < 0 else end + 1


def _records(body: bytes, binary: bool, whole: bool) -> tuple[int, int]:
    """Return the whole records behind a header, and the bytes that they take."""
    if binary:
        count = place = 0
        while place + 8 <= len(body):
            end = place + 8 + sum(struct.unpack_from("<II", body, place))
            if end > len(body):
                break
            count, place = count + 1, end
        return count, place
    unended = whole and not body.endswith(b"\n") and len(body) > 0
    return body.count(b"\n") + unended, body.rfind(b"\n") + 1
