"""Bring a published file into the form that the package reads: bgzip and an index for genomes and variants."""

import os
import shutil
import tempfile
from pathlib import Path

import pysam

from genomelm.errors import InputError
from genomelm.files import atomic_path, output_lock
from genomelm.seq.bgzf import Compression, compress, compression_of, pieces

INDEXES = {"genome": (".fai", ".gzi"), "variants": (".tbi",)}


def prepare(published: str | Path, target: str | Path, kind: str) -> list[Path]:
    """Write `target` from a published file, with its indexes beside it.

    Genomes become bgzip with .fai and .gzi, variants bgzip with .tbi; a file that is bgzip already
    and all other kinds keep their bytes.

    Returns:
        The files written, `target` first.

    Raises:
        InputError: the file is truncated, is not what `kind` says, or cannot be indexed.
    """
    published, target = Path(published), Path(target)
    if kind not in INDEXES:
        with atomic_path(target) as temporary:
            shutil.copyfile(published, temporary)
        return [target]
    target.parent.mkdir(parents=True, exist_ok=True)
    with output_lock(target), tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
        made = Path(folder) / target.name
        compression = compression_of(published)
        _check_start(published, compression, kind)
        if compression == "bgzf":
            shutil.copyfile(published, made)
        else:
            compress(published, compression, made)
        indexes = _index(made, published, kind)
        with open(made, "rb") as written:
            os.fsync(written.fileno())
        for suffix in INDEXES[kind]:
            Path(f"{target}{suffix}").unlink(missing_ok=True)  # never an old index beside new data
        os.replace(made, target)
        for index in indexes:
            os.replace(index, target.parent / index.name)
    return [target, *(target.parent / index.name for index in indexes)]


def _check_start(path: Path, compression: Compression, kind: str) -> None:
    first = next(pieces(path, compression), b"")
    wanted, name = (b">", "FASTA") if kind == "genome" else (b"##fileformat=VCF", "VCF")
    if not first.startswith(wanted):
        shown = first[:40].decode("latin-1").splitlines()[:1]
        raise InputError(f"{path} is not a {name} file: it starts with {shown[0] if shown else 'nothing'!r}")


def _index(made: Path, published: Path, kind: str) -> list[Path]:
    try:
        if kind == "genome":
            pysam.faidx(str(made))
        else:
            pysam.tabix_index(str(made), preset="vcf", force=True)
    except (OSError, ValueError, pysam.SamtoolsError) as error:
        raise InputError(f"{published} cannot be indexed as {kind}: {error}; is it sorted and complete?") from None
    return [Path(f"{made}{suffix}") for suffix in INDEXES[kind]]
