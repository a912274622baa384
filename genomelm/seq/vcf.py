"""VCF as bytes: the header's lines, the first eight columns of a record, and INFO spliced as text.

Nothing is decoded and written again, so whatever is not changed on purpose stays byte for byte what it was.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from genomelm.errors import InputError
from genomelm.seq.bgzf import compression_of, line_blocks, lines
from genomelm.seq.vcf_block import Block

_FIELD = re.compile(rb'([A-Za-z0-9_.]+)=("(?:[^"\\]|\\.)*"|[^,>]*)')
COLUMNS = (b"#CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER", b"INFO")


@dataclass(frozen=True)
class HeaderLine:
    """A structured header line such as ##INFO=<ID=...>: its kind, its fields, and its bytes."""

    kind: str
    fields: dict[str, str]
    raw: bytes


@dataclass(frozen=True)
class Header:
    """The header of a VCF.

    Args:
        lines: every ## line with its line end, in order.
        columns: the #CHROM line with its line end.
    """

    lines: tuple[bytes, ...]
    columns: bytes
    width: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", self.columns.count(b"\t") + 1)

    @property
    def line_end(self) -> bytes:
        """The line end that the file uses."""
        return b"\r\n" if self.columns.endswith(b"\r\n") else b"\n"

    def structured(self, kind: str) -> list[HeaderLine]:
        """Return the lines ##kind=<...> in order."""
        return [parsed for line in self.lines if (parsed := parse_header_line(line)) and parsed.kind == kind]

    def contig_lengths(self) -> dict[str, int | None]:
        """Return the declared contigs, name to length, None where the line has no length."""
        lengths: dict[str, int | None] = {}
        for line in self.structured("contig"):
            length = line.fields.get("length", "").replace(",", "")
            if "ID" in line.fields:
                lengths[line.fields["ID"]] = int(length) if length.isdecimal() else None
        return lengths


def parse_header_line(line: bytes) -> HeaderLine | None:
    """Read ##KIND=<KEY=value,...>; None when the line has another form."""
    kind, separator, rest = line.rstrip(b"\r\n").partition(b"=<")
    if not (separator and kind.startswith(b"##") and rest.endswith(b">")):
        return None
    fields = {}
    for key, value in _FIELD.findall(rest[:-1]):
        if value[:1] == b'"':
            value = re.sub(rb"\\(.)", rb"\1", value[1:-1])
        fields.setdefault(name_of(key), name_of(value))
    return HeaderLine(name_of(kind[2:]), fields, line)


def name_of(raw: bytes) -> str:
    """Decode a name; bytes that are not UTF-8 survive the way back through `raw_of`."""
    return raw.decode("utf-8", "surrogateescape")


def raw_of(name: str) -> bytes:
    """Return the bytes that `name_of` decoded."""
    return name.encode("utf-8", "surrogateescape")


class VcfReader:
    """A VCF file, plain, gzip or BGZF: its header, and its data lines as often as asked for.

    Args:
        path: the file.
        name: what messages call it, where the file is a copy.

    Attributes:
        path: the name for messages.
        header, compression.
        no_final_newline: after a complete pass, whether the last line had no line end.

    Raises:
        InputError: missing, empty, truncated, BCF, or no VCF header.
    """

    def __init__(self, path: str | Path, name: str | Path | None = None) -> None:
        self._file, self.path = Path(path), Path(path if name is None else name)
        self.compression = compression_of(self._file)
        self.no_final_newline = False
        self.header = self._read_header()
        self._body_starts = len(self.header.lines) + 1

    def _read_header(self) -> Header:
        kept: list[bytes] = []
        for line in lines(self._file, self.compression):
            if line.startswith(b"##"):
                kept.append(line)
            elif line.startswith(b"#CHROM"):
                self._check_columns(line)
                return Header(tuple(kept), line if line.endswith(b"\n") else line + b"\n")
            elif not kept:
                raise InputError(self._not_vcf(line))
            else:
                raise InputError(
                    f"{self.path}:{len(kept) + 1} should be the #CHROM line, "
                    f"but reads {line[:30]!r}: the header is damaged"
                )
        if not kept:
            raise InputError(
                f"{self.path} is empty: it has no header and no records; the step that made it probably failed"
            )
        raise InputError(f"{self.path} is truncated: it ends inside the header, before the #CHROM line")

    def _check_columns(self, line: bytes) -> None:
        names = line.rstrip(b"\r\n").split(b"\t")
        if tuple(names[:8]) != COLUMNS:
            raise InputError(
                f"{self.path} has a #CHROM line without the eight fixed columns, split by tabs: "
                "it is truncated or damaged"
            )

    def _not_vcf(self, line: bytes) -> str:
        if line.startswith(b"BCF"):
            return f"{self.path} is a BCF file where a VCF is wanted: bcftools view -Oz -o OUT.vcf.gz {self.path.name}"
        if line.lstrip()[:1] == b"<":
            return f"{self.path} is an HTML or XML page, not a VCF; the download probably returned an error page"
        return f"{self.path} is not a VCF: it starts with {line[:20]!r} instead of ##fileformat=VCF"

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yield (line number, data line with its line end) in file order; checks and errors are those of `blocks`."""
        for block in self.blocks():
            yield from block.lines()

    def blocks(self) -> Iterator[Block]:
        """Yield the data lines in blocks, in file order.

        Every line is checked for its number of columns. A cut at a line's end of a plain file cannot be seen.

        Raises:
            InputError: a line has fewer or more columns than the header, or the file is truncated.
        """
        number, blank = 1, 0
        for text in line_blocks(self._file, self.compression):
            first, number = number, number + text.count(b"\n")
            if number <= self._body_starts:
                continue
            start = 0
            while first <= self._body_starts:
                start = text.index(b"\n", start) + 1
                first += 1
            text = text[start:]
            if not text:
                continue
            if not text.endswith(b"\n"):
                self.no_final_newline = bool(text[text.rfind(b"\n") + 1 :].strip())
                text += self.header.line_end
            block = None if blank else Block.of(first, text, self.header.width)
            if block is None:
                text, blank = self._without_blank_end(first, text, blank)
                block = Block.of(first, text, self.header.width) if text else None
            if block is not None:
                yield block

    def _without_blank_end(self, first: int, text: bytes, blank: int) -> tuple[bytes, int]:
        """Return the lines without empty ones at the end of the file, which hold nothing, and the first such line.

        Raises:
            InputError: a line is damaged, or an empty one stands between others.
        """
        kept: list[bytes] = []
        for number, line in enumerate(text.split(b"\n")[:-1], first):
            if not line.strip():
                blank = blank or number
            elif blank or line[:1] == b"#" or line.count(b"\t") != self.header.width - 1:
                raise InputError(self._wrong_line(number, line, blank))
            else:
                kept.append(line + b"\n")
        return b"".join(kept), blank

    def _wrong_line(self, number: int, line: bytes, blank: int) -> str:
        if blank:
            return f"{self.path}:{blank} is empty, but records follow: the file is damaged"
        if line[:1] == b"#":
            return f"{self.path}:{number} is a header line between records: were two files joined without bcftools?"
        count, width = line.count(b"\t") + 1, self.header.width
        if count < width:
            return f"{self.path}:{number} has {count} of {width} columns: the file is truncated or damaged there"
        return f"{self.path}:{number} has {count} columns, but the header has {width}: the file is damaged there"


def position(reader: VcfReader, number: int, raw: bytes) -> int:
    """Read POS.

    Raises:
        InputError: it is not a whole number.
    """
    if not raw.isdigit():
        raise InputError(
            f"{reader.path}:{number} POS is '{name_of(raw[:30])}', which is not a whole number of 0 or more"
        )
    return int(raw)


def info_without(info: bytes, tags: frozenset[bytes]) -> bytes:
    """Return INFO text without the given tags; b"." when nothing is left."""
    kept = [item for item in info.split(b";") if item.partition(b"=")[0] not in tags]
    return b";".join(kept) or b"."


def info_with(info: bytes, added: bytes) -> bytes:
    """Return INFO text with `added` (TAG=value;...) behind it."""
    return added if info in (b".", b"") else info + b";" + added
