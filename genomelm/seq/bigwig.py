"""Values of a bigWig file, checked whole before its reader is let near it.

The reader (libBigWig) follows the file's offsets without asking whether they lie inside it: a file
that was cut short ends the process. So the offsets are walked here first.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyBigWig

from genomelm.errors import InputError

MAGIC = b"\x26\xfc\x8f\x88"
_INDEX_MAGIC = 0x2468ACE0
_PIECE = 1 << 20  # bases at a time: the reader holds 12 bytes a value on the way


class BigWig:
    """A bigWig file, open.

    Attributes:
        contigs: name to length in bases, as its header says.

    Raises:
        InputError: no bigWig, cut short, or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        _check_whole(self.path)
        try:
            self._reader = pyBigWig.open(str(self.path))
        except RuntimeError as error:
            raise InputError(f"{self.path} cannot be read as a bigWig ({error}); fetch it again") from None
        self.contigs: dict[str, int] = dict(self._reader.chroms())

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def values(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return float32 (end - start,), NaN where the file has no value.

        Raises:
            InputError: a block of the file does not unpack.
        """
        out = np.full(end - start, np.nan, np.float32)
        if contig in self.contigs:
            for begin in range(start, end, _PIECE):
                stop = min(begin + _PIECE, end)
                try:
                    out[begin - start : stop - start] = self._reader.values(contig, begin, stop, numpy=True)
                except RuntimeError as error:
                    raise InputError(
                        f"{self.path} is damaged at {contig}:{begin + 1}-{stop} ({error}); fetch it again"
                    ) from None
        return out


def _check_whole(path: Path) -> None:
    """Refuse a file whose header, zoom levels or indexes point past its end.

    Source: Kent et al. 2010, Bioinformatics 26:2204, supplementary tables 5, 6, 14 to 17.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        if stream.read(4) != MAGIC:
            raise InputError(f"{path} is not a bigWig: it does not begin with the bytes of one")
        try:
            _, zooms, contigs, data, index = struct.unpack("<HHQQQ", stream.read(28))
            stream.seek(64)
            levels = [struct.unpack("<IIQQ", stream.read(24)) for _ in range(zooms)]
            if max(contigs, data) >= size:
                raise struct.error
            # a file without values has no index
            for offset in filter(None, [index, *(level[3] for level in levels)]):
                _check_index(stream, offset, size)
        except struct.error:
            raise InputError(
                f"{path} is truncated: it has {size:,} bytes, and its header tells of more; fetch it again"
            ) from None


def _check_index(stream: BinaryIO, offset: int, size: int) -> None:
    """Walk from an index's root to its last leaf; raise struct.error where that leaves the file of `size` bytes."""
    stream.seek(offset)
    if struct.unpack("<I", stream.read(4))[0] != _INDEX_MAGIC:
        raise struct.error
    node, leaf = offset + 48, False
    while not leaf:
        stream.seek(node)
        leaf, _, count = struct.unpack("<?BH", stream.read(4))
        if count == 0:
            return
        item = struct.Struct("<16xQQ" if leaf else "<16xQ")
        children = list(item.iter_unpack(stream.read(count * item.size)))
        if len(children) < count or max(map(sum, children)) > size:
            raise struct.error
        if not leaf and max(children)[0] <= node:
            raise struct.error  # children lie behind their parent; another order would walk in a circle
        node = max(children)[0]
