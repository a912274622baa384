"""BGZF files: what they are, whether they are whole, and how to read bytes or lines from them."""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pysam
from Bio.bgzf import BgzfWriter

from genomelm.errors import InputError

EMPTY_BLOCK = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_PIECE = 1 << 20
_BLOCK = 0xFF00  # bytes of a block; what does not compress still fits into the 64 KiB that a block may have

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


def line_blocks(path: str | Path, compression: Compression) -> Iterator[bytes]:
    """Yield a file's bytes in blocks of whole lines, about 1 MiB each; only the last can lack its line end."""
    begun: list[bytes] = []  # of a line whose end has not come yet
    for piece in pieces(path, compression):
        end = piece.rfind(b"\n") + 1
        if end == 0:
            begun.append(piece)
            continue
        yield b"".join([*begun, piece[:end]])
        begun = [piece[end:]]
    if rest := b"".join(begun):
        yield rest


def lines(path: str | Path, compression: Compression) -> Iterator[bytes]:
    """Yield the lines of a file as bytes, each with its line end; only the last can be without one."""
    for block in line_blocks(path, compression):
        # bytes.splitlines would also split at a lone carriage return; a VCF or FASTA line ends at "\n" alone
        parts = block.split(b"\n")
        rest = parts.pop()
        for part in parts:
            yield part + b"\n"
        if rest:
            yield rest


class BgzfOutput:
    """Writes BGZF blocks of the size that htslib writes, compressed at level 4.

    pysam compresses at zlib's level 6 only, which takes more than twice the time for 6 % smaller VCF files.
    """

    def __init__(self, path: str | Path) -> None:
        self._writer = BgzfWriter(str(path), "wb", compresslevel=4)
        self._begun = b""

    def write(self, data: bytes) -> None:
        """Append bytes."""
        data = self._begun + data
        whole = len(data) // _BLOCK * _BLOCK
        for start in range(0, whole, _BLOCK):
            self._writer.write(data[start : start + _BLOCK])
            self._writer.flush()
        self._begun = data[whole:]

    def close(self) -> None:
        """Write what is left, and the block that marks a complete file; harmless the second time."""
        if self._writer is not None:
            self._writer.write(self._begun)
            self._writer.close()
            self._writer = None


def compress(source: str | Path, compression: Compression, target: str | Path) -> None:
    """Write the uncompressed bytes of `source` to `target` as BGZF."""
    with pysam.BGZFile(str(target), "wb") as stream:
        for piece in pieces(source, compression):
            stream.write(piece)
