"""Bring a published file into the form that the package reads: bgzip and an index for genomes and variants."""

import os
import shutil
import tempfile
from pathlib import Path

import pysam

from genomelm.data.archive import check_archive, take
from genomelm.data.download import check_room
from genomelm.errors import InputError
from genomelm.files import atomic_path, output_lock
from genomelm.seq.bgzf import Compression, compress, compression_of, pieces
from genomelm.seq.fasta_index import indexed

INDEXES = {"genome": (".fai", ".gzi"), "variants": (".tbi",)}
_INDEX_ROOM = 1 << 20  # bytes; with fewer, what failed is the disk
STARTS = {  # ending of a name -> first bytes of such a file, and what it is called
    ".meme": ((b"MEME version",), "MEME"),
    ".bw": ((b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26"), "bigWig"),
    ".bb": ((b"\xeb\xf2\x89\x87", b"\x87\x89\xf2\xeb"), "bigBed"),
    ".parquet": ((b"PAR1",), "Parquet"),
    ".sqlite": ((b"SQLite format 3\0",), "SQLite"),
    ".xlsx": ((b"PK\x03\x04",), "XLSX"),
    ".zip": ((b"PK\x03\x04",), "zip"),
}


def check_published(path: Path, kind: str, name: str, member: str | None) -> None:
    """Refuse a published file that is cut, or not what its row says; nothing is written.

    Raises:
        InputError: so it is.
        IntegrityError: it is an archive that is not safe to unpack.
    """
    if member is not None:
        check_archive(path)
    elif kind in INDEXES:
        compression = compression_of(path)
        text = pieces(path, compression)
        _check_start(next(text, b""), compression, kind, path)
        for _ in text if compression == "gzip" else ():  # to the end, where a cut file shows
            pass
    else:
        _check_plain(path, name)


def prepare(
    published: str | Path, target: str | Path, kind: str, member: str | None = None, *, consume: bool = False
) -> list[Path]:
    """Write `target` from a published file, with its indexes beside it.

    Genomes become bgzip with .fai and .gzi, variants bgzip with .tbi; a file that is bgzip already and all other
    kinds keep their bytes.

    Args:
        member: path of the file in the archive that is published; None where the file itself is.
        consume: `published` may be moved instead of copied.

    Returns:
        The files written, `target` first.

    Raises:
        InputError: the file is truncated, is not what `kind` and its name say, or cannot be indexed.
        IntegrityError: the archive is not safe to unpack.
        ResourceError: the disk has no room for it.
    """
    published, target = Path(published), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with output_lock(target), tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        if member is not None:
            take(published, member, Path(folder) / "member")
            published, consume = Path(folder) / "member", True
        if kind not in INDEXES:
            _check_plain(published, target.name)
            if consume:
                os.replace(published, target)
                return [target]
        check_room(target.parent, published.stat().st_size, target.name)
        if kind not in INDEXES:
            with atomic_path(target) as temporary:
                shutil.copyfile(published, temporary)
            return [target]
        made = Path(folder) / target.name
        _compressed(published, made, kind)
        indexes = _index(made, published, kind)
        with open(made, "rb") as written:
            os.fsync(written.fileno())
        for suffix in INDEXES[kind]:
            Path(f"{target}{suffix}").unlink(missing_ok=True)  # never an old index beside new data
        os.replace(made, target)
        for index in indexes:
            os.replace(index, target.parent / index.name)
    return [target, *(target.parent / index.name for index in indexes)]


def _compressed(published: Path, made: Path, kind: str) -> None:
    """Write `made` as bgzip of what `published` holds."""
    compression = compression_of(published)
    first = next(pieces(published, compression), b"")
    if compression != "plain" and first.startswith(b"\x1f\x8b"):  # gzip within gzip, as some servers make it
        once = made.with_name(f"{made.name}.once")
        with open(once, "wb") as out:
            out.writelines(pieces(published, compression))
        published, compression = once, compression_of(once)
        first = next(pieces(published, compression), b"")
    _check_start(first, "plain", kind, published)
    if compression == "bgzf":
        shutil.copyfile(published, made)
    else:
        compress(published, compression, made)


def _check_start(first: bytes, compression: Compression, kind: str, path: Path) -> None:
    """Refuse other content than a kind's; gzip within gzip may hold it."""
    wanted, name = (b">", "FASTA") if kind == "genome" else (b"##fileformat=VCF", "VCF")
    if not first.startswith(wanted) and not (compression != "plain" and first.startswith(b"\x1f\x8b")):
        shown = first[:40].decode("latin-1").splitlines()[:1]
        raise InputError(f"{path} is not a {name} file: it starts with {shown[0] if shown else 'nothing'!r}")


def _check_plain(path: Path, name: str) -> None:
    """Refuse a file that is empty, cut, a web page, or not what the ending of its name says."""
    compression: Compression = compression_of(path)
    text = pieces(path, compression)
    first = next(text, b"")
    for _ in text if compression != "plain" else ():  # to the end, where a cut file shows
        pass
    if first.lstrip()[:64].lower().startswith((b"<!doctype html", b"<html")):
        raise InputError(f"{path} is an HTML page, not {name}; the download probably returned an error page")
    starts, what = next((found for ending, found in STARTS.items() if name.endswith(ending)), ((b"",), ""))
    if not first.startswith(starts):
        raise InputError(f"{path} is not a {what} file, as {name} should be: it starts with {first[:20]!r}")


def _index(made: Path, published: Path, kind: str) -> list[Path]:
    try:
        if kind == "genome":
            pysam.faidx(str(made))
            indexed(made, made.parent)  # refuses what the package would refuse to read
        else:
            pysam.tabix_index(str(made), preset="vcf", force=True)
    except InputError as error:
        raise InputError(str(error).replace(str(made), str(published))) from None
    except (OSError, ValueError, pysam.SamtoolsError) as error:
        check_room(made.parent, _INDEX_ROOM, f"the index of {made.name}")  # htslib does not say that a disk is full
        text = str(error).replace(str(made), str(published))
        raise InputError(f"{published} cannot be indexed as {kind}: {text}; is it sorted and complete?") from None
    return [Path(f"{made}{suffix}") for suffix in INDEXES[kind]]
