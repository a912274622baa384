"""A subset of a VCF's samples. Names stay out of messages, and out of the command line, which outputs quote."""

from collections.abc import Callable, Sequence
from pathlib import Path

from genomelm.errors import InputError, UsageError
from genomelm.seq.interval import text_lines
from genomelm.seq.vcf import Header, raw_of

_FIRST = 9  # columns before the samples


def read_names(path: str | Path) -> list[str]:
    """Read sample names, one a line.

    Raises:
        InputError: the file is missing, or names nobody.
    """
    names = [line.rstrip("\r\n") for line in text_lines(Path(path))]
    names = [name for name in names if name]
    if not names:
        raise InputError(f"{path} names no sample; write one name a line")
    return names


def subset(header: Header, names: Sequence[str], path: object) -> tuple[Header, Callable[[bytes], bytes]]:
    """Keep some samples' columns, in the file's order.

    INFO is not counted anew: AC, AN and the like stay those of all samples.

    Args:
        header: of the whole file.
        names: samples to keep.
        path: what messages call the file.

    Returns:
        The header with fewer columns, and a function that shortens what follows INFO in a line.

    Raises:
        UsageError: the file has no samples, or lacks some of these.
    """
    columns = header.columns.rstrip(b"\r\n").split(b"\t")
    wanted = {raw_of(name) for name in names}
    keep = [number for number, name in enumerate(columns[_FIRST:], _FIRST) if name in wanted]
    lacking = len(wanted - set(columns[_FIRST:]))
    if lacking:
        lines = [number for number, name in enumerate(names, 1) if raw_of(name) not in columns[_FIRST:]]
        raise UsageError(
            f"{path} has {len(columns[_FIRST:])} samples, but not {lacking} of the {len(wanted)} that --samples names "
            f"(first: name number {lines[0]}); names must be spelled as in the #CHROM line"
        )
    line_end = header.line_end
    shorter = Header(header.lines, b"\t".join([*columns[:_FIRST], *(columns[n] for n in keep)]) + line_end)
    kept = [0, 1, *(number - _FIRST + 2 for number in keep)]  # what follows INFO: "", FORMAT, samples

    def shorten(rest: bytes) -> bytes:
        body = rest.rstrip(b"\r\n")
        parts = body.split(b"\t")
        return b"\t".join([parts[n] for n in kept]) + rest[len(body) :]

    return shorter, shorten
