"""FASTA indexes that can be trusted: built by pyfaidx, checked against the file, rebuilt when stale."""

import bisect
import hashlib
import logging
import os
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyfaidx
import pysam

from genomelm.errors import InputError
from genomelm.files import atomic_path, sha256, write_json
from genomelm.seq.bgzf import compress, compression_of, has_empty_block, pieces

log = logging.getLogger(__name__)

SOURCE = "source.json"  # in the cache: the file that an index or a copy was made from
_CHECKED = 256  # contigs and blocks looked at in a compressed file; a plain one is checked whole
_GAP = 1 << 16  # longest header line between two contigs


@dataclass(frozen=True)
class IndexedFasta:
    """A FASTA file that allows random access: its path, its .fai, and its .gzi where it is BGZF."""

    path: Path
    fai: Path
    gzi: Path | None


@dataclass(frozen=True)
class Row:
    """One line of a .fai file; offsets and widths in uncompressed bytes."""

    name: str
    length: int
    offset: int
    line_bases: int
    line_width: int

    @property
    def stop(self) -> int:
        """Offset just behind the last base."""
        if not self.length:
            return self.offset
        full, last = divmod(self.length - 1, self.line_bases)
        return self.offset + full * self.line_width + last + 1


def cache_folder(cache_dir: str | Path | None) -> Path:
    """Return `cache_dir`, or where GENOMELM_CACHE or XDG_CACHE_HOME points, or ~/.cache/genomelm."""
    if cache_dir is not None:
        return Path(cache_dir)
    if named := os.environ.get("GENOMELM_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genomelm"


def indexed(path: Path, cache_dir: str | Path | None, any_letters: bool = False) -> IndexedFasta:
    """Return `path` with indexes that fit it; plain gzip is compressed again to BGZF in the cache.

    Raises:
        InputError: the file is missing, empty, truncated, no FASTA, or no nucleotides (unless any_letters).
    """
    compression = compression_of(path)
    if compression == "bgzf" and not has_empty_block(path):
        raise InputError(f"{path} is truncated: its BGZF end block is missing; fetch it again")
    _refuse_other_content(path, next(pieces(path, compression), b""), any_letters)
    cache = cache_folder(cache_dir)
    if compression == "gzip":
        # named by content, so a changed source can never meet an old copy
        copy = cache / f"{sha256(path)[:16]}-{path.name}"
        if not copy.exists():
            log.info("%s is plain gzip: compressing it again as BGZF in %s", path, copy)
            with atomic_path(copy) as temporary:
                compress(path, compression, temporary)
            write_json(cache / f"{copy.name}.{SOURCE}", {"source": str(path.resolve())})
        path, compression = copy, "bgzf"
    beside = _index_names(path.parent, path, compression == "bgzf")
    if _fits(beside):
        return beside
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    cached = _index_names(cache / place, path, compression == "bgzf")
    if _fits(cached):
        return cached
    try:
        return _build(beside)
    except OSError:
        log.info("%s cannot be written: the index of %s goes to %s", path.parent, path.name, cached.fai.parent)
        built = _build(cached)
        write_json(cached.fai.parent / SOURCE, {"source": str(path.resolve())})
        return built


def read_rows(fai: Path) -> list[Row]:
    """Read a .fai file; ValueError when it is none."""
    rows = []
    for line in fai.read_text(encoding="utf-8").splitlines():
        name, *numbers = line.split("\t")
        length, offset, line_bases, line_width = map(int, numbers[:4])
        rows.append(Row(name, length, offset, line_bases, line_width))
    return rows


def _index_names(folder: Path, path: Path, compressed: bool) -> IndexedFasta:
    return IndexedFasta(path, folder / f"{path.name}.fai", folder / f"{path.name}.gzi" if compressed else None)


def _refuse_other_content(path: Path, head: bytes, any_letters: bool) -> None:
    text = head.lstrip()
    if text[:1] == b"<":
        raise InputError(f"{path} is an HTML or XML page, not FASTA; the download probably returned an error page")
    if text[:1] == b"@":
        raise InputError(f"{path} looks like FASTQ or SAM, not FASTA")
    records = text.split(b"\n")
    while records and (records[0].startswith(b";") or not records[0].strip()):
        records.pop(0)
    if not records or not records[0].startswith(b">"):
        raise InputError(f"{path} is not FASTA: it starts with {text[:20]!r} instead of '>'")
    letters = b"".join(line.strip() for line in records if not line.startswith(b">")).upper()
    if not letters or any_letters:
        return
    bases = sum(letters.count(base) for base in b"ACGTUN")
    foreign = len(letters) - bases - sum(letters.count(code) for code in b"RYSWKMBDHV-.")
    if bases < len(letters) / 2 or foreign > len(letters) / 20:
        raise InputError(
            f"{path} does not hold nucleotides ({letters[:20].decode('latin-1')}...): is it a protein FASTA?"
        )


def _build(names: IndexedFasta) -> IndexedFasta:
    """Index into a temporary folder with pyfaidx, then move each file into place."""
    names.fai.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".genomelm-index-", dir=names.fai.parent) as folder:
        # pyfaidx knows compression by the suffix alone, so it gets a link that has the right one
        link = Path(folder) / ("genome.fa.gz" if names.gzi else "genome.fa")
        link.symlink_to(names.path.resolve())
        try:
            faidx = pyfaidx.Faidx(str(link))
        except pyfaidx.FastaIndexingError as error:
            message = str(error).replace(str(link), str(names.path))
            raise InputError(
                f"{names.path} cannot be indexed: {message} (re-wrap it, for example with seqkit seq -w 60)"
            ) from None
        except UnicodeDecodeError:
            raise InputError(f"{names.path} cannot be indexed: it holds bytes that are not text") from None
        except ValueError as error:
            if "Duplicate key" not in str(error):
                raise
            raise InputError(f"{names.path} names a contig twice ({error}); remove or rename one of them") from None
        faidx.close()
        if names.gzi:
            os.replace(f"{link}.gzi", names.gzi)
        os.replace(f"{link}.fai", names.fai)
    return names


def _fits(names: IndexedFasta) -> bool:
    """Whether the indexes are as new as the FASTA and agree with where its contigs begin and end."""
    made = names.path.stat().st_mtime_ns
    for index in (names.fai, names.gzi):
        if index and not (index.is_file() and index.stat().st_mtime_ns >= made):
            return False
    try:
        rows = read_rows(names.fai)
        if names.gzi is None:
            with open(names.path, "rb") as stream:
                return _rows_fit(rows, lambda offset, size: _plain(stream, offset, size))
        blocks = _read_gzi(names.gzi)
        if not _blocks_fit(names.path, blocks):
            return False
        with pysam.BGZFile(str(names.path), "rb") as stream:
            return _rows_fit(rows, lambda offset, size: _compressed(stream, blocks, offset, size), _CHECKED)
    except (ValueError, OSError, IndexError, struct.error):
        return False


def _rows_fit(rows: list[Row], read: Callable[[int, int], bytes], at_most: int | None = None) -> bool:
    """Whether exactly one header line lies between neighbouring contigs, and nothing behind the last."""
    if not rows:
        return False
    starts = [0, *(row.stop for row in rows)]
    if any(not 0 < row.offset - start <= _GAP for row, start in zip(rows, starts, strict=False)):
        return False
    step = max(1, len(rows) // at_most) if at_most else 1
    for i in sorted({*range(0, len(rows), step), len(rows) - 1}):
        row, start = rows[i], starts[i]
        gap = read(start, row.offset - start).strip(b"\r\n").split(b"\n")
        if not gap[-1].startswith(b">") or gap[-1][1:].split()[0].decode() != row.name:
            return False
        if any(line.startswith(b">") for line in gap[:-1]) or (i > 0 and len(gap) > 1):
            return False
        middle = (row.length // row.line_bases // 2) if row.line_bases else 0
        if middle and read(row.offset + middle * row.line_width - 1, 1) != b"\n":
            return False
    return not read(rows[-1].stop, _GAP).strip()


def _plain(stream, offset: int, size: int) -> bytes:
    stream.seek(offset)
    return stream.read(size)


def _compressed(stream: pysam.BGZFile, blocks: list[tuple[int, int]], offset: int, size: int) -> bytes:
    start, before = blocks[bisect.bisect_right(blocks, offset, key=lambda block: block[1]) - 1]
    stream.seek(start << 16)
    return stream.read(offset - before + size)[offset - before :]


def _read_gzi(gzi: Path) -> list[tuple[int, int]]:
    """Return (compressed, uncompressed) offsets of the blocks, the first one included."""
    raw = gzi.read_bytes()
    (count,) = struct.unpack_from("<Q", raw)
    return [(0, 0), *struct.iter_unpack("<QQ", raw[8 : 8 + 16 * count])]


def _blocks_fit(path: Path, blocks: list[tuple[int, int]]) -> bool:
    """Whether blocks begin where the .gzi says, and only the end of the file follows the last."""
    step = max(1, len(blocks) // _CHECKED)
    size = path.stat().st_size
    with open(path, "rb") as stream:
        for start, _ in blocks[::step]:
            if _plain(stream, start, 16)[12:16] != b"BC\x02\x00":
                return False
        start, followers = blocks[-1][0], 0
        while start < size and followers < 3:
            head = _plain(stream, start, 18)
            if head[12:16] != b"BC\x02\x00":
                return False
            start, followers = start + struct.unpack("<H", head[16:18])[0] + 1, followers + 1
    return start == size
