"""The annotated VCF on disk: complete with its index, or as it was before."""

import contextlib
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pysam
import pysam.bcftools

from genomelm.errors import InputError, ResourceError, UsageError
from genomelm.scoring.source import is_stream
from genomelm.seq.bgzf import BgzfOutput

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


def refuse_collisions(
    vcf_in: str | Path, reference: Path, out: Path, table: str | Path | None, summary: str | Path | None
) -> None:
    """Refuse outputs that would overwrite an input or each other; only the VCF may be its own output.

    Raises:
        UsageError: naming both, or as `check_output`.
    """
    places = [("output", out), ("table", table), ("summary", summary)]
    taken = {reference.resolve(): "reference"}
    if table is not None or summary is not None:
        taken[Path(vcf_in).resolve()] = "input VCF"
    for name, path in places:
        if path is None or (name == "output" and is_stream(path)):
            continue
        place = Path(path).resolve()
        if place in taken and not (name == "output" and taken[place] == "input VCF"):
            raise UsageError(f"{name} {path} is the {taken[place]} as well; choose another name")
        taken[place] = name
        check_output(place, name)


@contextlib.contextmanager
def scratch_folder(out: Path, table: Path | None) -> Iterator[Path]:
    """Make a folder beside an output, or in the system's own place when that is standard output; removed at the end.

    What a killed run left of the output and its table is removed first: the caller holds the output's lock.
    """
    for path in (out, table):
        if path is not None and not is_stream(path):
            for left in path.parent.glob(f".{glob.escape(path.name)}.????????.tmp*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    if is_stream(out):
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
        return
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent) as name:
        yield Path(name)


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
        self._stream = BgzfOutput(name)

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
        self._convert()
        _flush(self._data)
        made = self._build_index(long_contigs) if index else None
        for suffix in _INDEXES:
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        os.replace(self._data, self.path)
        if made is None:
            return None
        target = Path(f"{self.path}{made.suffix}")
        os.replace(made, target)
        return target

    def _convert(self) -> None:
        """Turn the bgzipped VCF into the format of the output."""

    def _build_index(self, long_contigs: bool) -> Path | None:
        return _indexed(self._data, _INDEXES[1:] if long_contigs else _INDEXES)

    def abandon(self) -> None:
        """Remove what was written; harmless after `finish`."""
        with contextlib.suppress(OSError):
            self._stream.close()
        for path in (self._data, *(Path(f"{self._data}{suffix}") for suffix in _INDEXES)):
            path.unlink(missing_ok=True)


class BcfOutput(VcfOutput):
    """A BCF file, written by htslib from the finished VCF: its records are equivalent, not byte for byte the same."""

    def _convert(self) -> None:
        made = Path(f"{self._data}.bcf")
        verbosity = pysam.set_verbosity(0)  # one line for an error, which is ours
        try:
            pysam.bcftools.view("--no-version", "-Ob", "-o", str(made), str(self._data), catch_stdout=False)
            os.replace(made, self._data)
        except pysam.SamtoolsError as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{self.path} cannot be written as BCF, which wants every tag and filter declared in the header "
                f"({reason}); name it .vcf.gz"
            ) from None
        finally:
            pysam.set_verbosity(verbosity)
            made.unlink(missing_ok=True)

    def _build_index(self, long_contigs: bool) -> Path | None:
        return _indexed(self._data, _INDEXES[1:], preset="bcf")


class StreamOutput:
    """A plain VCF on standard output: it cannot be taken back, and has no index.

    Attributes:
        lines: lines written so far.
    """

    def __init__(self) -> None:
        self.lines = 0

    def write(self, data: bytes) -> None:
        """Write bytes of the VCF.

        Raises:
            ResourceError: nobody reads any more.
        """
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's exit would complain again
            raise ResourceError(f"what reads standard output stopped after {self.lines:,} lines") from None
        self.lines += data.count(b"\n")

    def finish(self, _index: bool, _long_contigs: bool) -> None:
        """Nothing is left to do."""


_KINDS = {".vcf.gz": VcfOutput, ".vcf.bgz": VcfOutput, ".bcf": BcfOutput}


@contextlib.contextmanager
def vcf_output(path: Path) -> Iterator[VcfOutput | StreamOutput]:
    """Open an output; whatever is not finished when the block ends leaves no trace, save on standard output.

    Raises:
        UsageError: the name is not one of a bgzipped VCF or a BCF file, or its folder cannot be written.
    """
    if is_stream(path):
        yield StreamOutput()
        return
    kind = next((kind for ending, kind in _KINDS.items() if path.name.endswith(ending)), None)
    if kind is None:
        raise UsageError(f"output {path} would be bgzipped; name it .vcf.gz (or .bcf, or - for standard output)")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        output = kind(path)
    except OSError as error:
        raise UsageError(f"output {path} cannot be written: {error.strerror}; choose another folder") from None
    try:
        yield output
    finally:
        output.abandon()


def _indexed(data: Path, suffixes: tuple[str, ...], preset: str = "vcf") -> Path | None:
    """Index with the first kind that can hold the positions; None when none can."""
    verbosity = pysam.set_verbosity(0)  # a failed .tbi is no news: .csi follows
    try:
        for suffix in suffixes:
            target = Path(f"{data}{suffix}")
            try:
                pysam.tabix_index(str(data), preset=preset, force=True, index=str(target), csi=suffix == ".csi")
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
