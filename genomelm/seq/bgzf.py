"""BGZF files: what they are, whether they are whole, and how to read bytes or lines from them."""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pysam

from genomelm.errors import InputError

EMPTY_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_PIECE = 1 << 20

Compression = Literal["plain", "gzip", "bgzf"]


def compression_of(path: str | Path) -> Compression:
    """Tell plain, gzip and BGZF files apart by their first bytes.

    Raises:
        InputError: the file is missing, is a folder, or is empty.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a file")
    with open(path, "rb") as stream:
        head = stream.read(18)
    if not head:
        raise InputError(f"{path} is empty (0 bytes); the step that made it probably failed")
    if head[:2] != b"\x1f\x8b":
        return "plain"
    return "bgzf" if head[2:4] == b"\x08\x04" and head[12:16] == b"BC\x02\x00" else "gzip"


def has_empty_block(path: str | Path) -> bool:
    """Whether a BGZF file ends with the empty block that marks a complete file."""
    with open(path, "rb") as stream:
        stream.seek(0, os.SEEK_END)
        if stream.tell() < len(EMPTY_BLOCK):
            return False
        stream.seek(-len(EMPTY_BLOCK), os.SEEK_END)
        return stream.read() == EMPTY_BLOCK


def pieces(path: str | Path, compression: Compression) -> Iterator[bytes]:
    """Yield the uncompressed bytes of a file in pieces of about 1 MiB.

    Raises:
        InputError: a compressed file is cut or damaged.
    """
    if compression == "bgzf" and not has_empty_block(path):
        raise InputError(f"{path} is truncated: its BGZF end block is missing; copy or make the file again")
    openers: dict[str, Callable] = {"plain": open, "gzip": gzip.open, "bgzf": pysam.BGZFile}
    try:
        with openers[compression](str(path), "rb") as stream:
            while piece := stream.read(_PIECE):
                yield piece
    except EOFError:
        raise InputError(
            f"{path} is truncated: its gzip stream stops before the end; copy or make the file again"
        ) from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged ({error}); copy or make the file again") from None
    except OSError as error:
        if compression == "plain":
            raise
        raise InputError(f"{path} is truncated or damaged ({error}); copy or make the file again") from None


def lines(path: str | Path, compression: Compression) -> Iterator[bytes]:
    """Yield the lines of a file as bytes, each with its line end; only the last can be without one."""
    rest = b""
    for piece in pieces(path, compression):
        # bytes.splitlines would also split at a lone carriage return; a VCF or FASTA line ends at "\n" alone
        parts = (rest + piece if rest else piece).split(b"\n")
        rest = parts.pop()
        for part in parts:
            yield part + b"\n"
    if rest:
        yield rest


def compress(source: str | Path, compression: Compression, target: str | Path) -> None:
    """Write the uncompressed bytes of `source` to `target` as BGZF."""
    with pysam.BGZFile(str(target), "wb") as stream:
        for piece in pieces(source, compression):
            stream.write(piece)
