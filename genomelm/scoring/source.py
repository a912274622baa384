"""The variants to score as a VCF file that can be read twice: standard input, BCF and unsorted files become copies."""

import shutil
import sys
from pathlib import Path

import pysam
import pysam.bcftools

from genomelm.errors import InputError
from genomelm.seq.bgzf import compression_of, has_empty_block, pieces
from genomelm.seq.vcf import VcfReader
from genomelm.seq.vcf_sort import sort_vcf

STREAM = "-"
"""Standard input or output in the place of a path."""


def is_stream(path: str | Path) -> bool:
    """Whether a path means standard input or output."""
    return str(path) == STREAM


def open_source(path: str | Path, scratch: Path) -> tuple[VcfReader, Path]:
    """Open a VCF or BCF file, or what comes from standard input.

    A BCF file is written out as a VCF by htslib: its records stay equivalent, not byte for byte the same.

    Args:
        path: "-" is standard input.
        scratch: folder for copies.

    Returns:
        The reader, and the file that was given or the copy of standard input.

    Raises:
        InputError: as `VcfReader`; or htslib cannot read the BCF file.
    """
    given, name = Path(path), Path(path)
    if is_stream(path):
        given, name = scratch / "stdin", Path("standard input")
        with open(given, "wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy, 1 << 20)
        if given.stat().st_size == 0:
            raise InputError("standard input is empty: it has no header and no records; what writes to it failed")
        if compression_of(given) == "bgzf" and not has_empty_block(given):
            raise InputError("standard input is truncated: its BGZF end block is missing; what writes to it failed")
    readable = _vcf_of_bcf(given, name, scratch / "records.vcf") if is_bcf(given) else given
    return VcfReader(readable, name), given


def is_bcf(path: str | Path) -> bool:
    """Whether a file is BCF, compressed or not."""
    compression = compression_of(path)
    return next(pieces(path, compression), b"")[:4] in (b"BCF\2", b"BCF\4")


def sorted_source(reader: VcfReader, scratch: Path) -> VcfReader:
    """Return a reader of a sorted copy."""
    copy = scratch / "sorted.vcf"
    sort_vcf(reader, copy, scratch)
    return VcfReader(copy, reader.path)


def _vcf_of_bcf(path: Path, name: Path, target: Path) -> Path:
    verbosity = pysam.set_verbosity(0)  # one line for an error, which is ours
    try:
        pysam.bcftools.view("--no-version", "-Ov", "-o", str(target), str(path), catch_stdout=False)
    except pysam.SamtoolsError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name} is a BCF file that htslib cannot read ({reason}); make the file again") from None
    finally:
        pysam.set_verbosity(verbosity)
    return target
