"""The annotated VCF on disk: complete with its index, or as it was before."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pysam

from genomelm.errors import UsageError

TBI_LIMIT = 1 << 29  # bases; a contig longer than 512 Mb needs a .csi index
_INDEXES = (".tbi", ".csi")


def check_output(path: Path, name: str, folder: bool = False) -> None:
    """Refuse an output that could not be put into place, before anything is computed for it.

    Args:
        path: the file or folder to write.
        name: what it is, for the message.
        folder: whether it is a folder.

    Raises:
        UsageError: a folder stands where a file is to go or the other way round, or its folder cannot be written.
    """
    if path.exists() and path.is_dir() != folder:
        there, wanted = ("a file", "a folder") if folder else ("a folder", "a file")
        raise UsageError(f"{name} {path} is {there}; give the name of {wanted}")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK)):
        raise UsageError(f"{name} {path} cannot be written into {parent}; choose another folder")


class VcfOutput:
    """A bgzipped VCF under a temporary name. `finish` moves it and its index into place.

    Attributes:
        lines: lines written so far, counted in the bytes that reach the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        mask = os.umask(0)
        os.umask(mask)
        self._data = Path(name)
        self._data.chmod(0o666 & ~mask)
        self._stream = pysam.BGZFile(name, "wb")

    def write(self, data: bytes) -> None:
        """Append bytes of the VCF."""
        self._stream.write(data)
        self.lines += data.count(b"\n")

    def finish(self, index: bool, long_contigs: bool) -> Path | None:
        """Flush to disk, index, and rename: old index away, data, new index. Return the index's path.

        Args:
            index: whether the records are sorted, so that an index is possible.
            long_contigs: whether a contig needs .csi.
        """
        self._stream.close()
        _flush(self._data)
        made = _build_index(self._data, long_contigs) if index else None
        for suffix in _INDEXES:
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        os.replace(self._data, self.path)
        if made is None:
            return None
        target = Path(f"{self.path}{made.suffix}")
        os.replace(made, target)
        return target

    def abandon(self) -> None:
        """Remove what was written; harmless after `finish`."""
        with contextlib.suppress(OSError):
            self._stream.close()
        for path in (self._data, *(Path(f"{self._data}{suffix}") for suffix in _INDEXES)):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def vcf_output(path: Path) -> Iterator[VcfOutput]:
    """Open an output; whatever is not finished when the block ends leaves no trace.

    Raises:
        UsageError: the name is not one of a bgzipped VCF, or its folder cannot be written.
    """
    if not path.name.endswith((".vcf.gz", ".vcf.bgz")):
        raise UsageError(f"output {path} would be bgzipped; name it .vcf.gz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        output = VcfOutput(path)
    except OSError as error:
        raise UsageError(f"output {path} cannot be written: {error.strerror}; choose another folder") from None
    try:
        yield output
    finally:
        output.abandon()


def _build_index(data: Path, long_contigs: bool) -> Path | None:
    """Index with .tbi where it can hold the positions, else .csi; None when neither can."""
    verbosity = pysam.set_verbosity(0)  # a failed .tbi is no news: .csi follows
    try:
        for suffix in _INDEXES[1:] if long_contigs else _INDEXES:
            target = Path(f"{data}{suffix}")
            try:
                pysam.tabix_index(str(data), preset="vcf", force=True, index=str(target), csi=suffix == ".csi")
            except OSError:
                target.unlink(missing_ok=True)
                continue
            _flush(target)
            return target
    finally:
        pysam.set_verbosity(verbosity)
    return None


def _flush(path: Path) -> None:
    with open(path, "rb") as written:
        os.fsync(written.fileno())
