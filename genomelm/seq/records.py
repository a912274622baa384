"""Many sequences of a FASTA or FASTQ file (reads, transcripts, proteins), read by place and never held whole.

One pass over the file writes a folder in the cache: `letters.bin`, one byte a letter as ids of the alphabet, all
records one behind the other, and a column a fact of each record. Everything is memory-mapped.
"""

import contextlib
import fcntl
import hashlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from genomelm.errors import InputError, IntegrityError
from genomelm.files import atomic_directory, digest_of, read_json, write_json
from genomelm.seq.alphabet import ALPHABETS, check_counts, encode, foreign_counts, reverse_complement_ids
from genomelm.seq.bgzf import compression_of, pieces
from genomelm.seq.fasta_index import cache_folder
from genomelm.seq.record_text import Scan, Scanner, text_digests

log = logging.getLogger(__name__)

FORMAT = 1
COLUMNS = {"offsets": "<i8", "lengths": "<i8", "groups": "<u8", "digests": "<u8", "turned": "<u8"}

_MOST_NAMED = 5


class Records:
    """The records of one file, by number from 0.

    Args:
        path: FASTA or FASTQ (told apart by the first letter), plain, gzip or BGZF. Qualities are not read.
        alphabet: dna, rna or protein.
        group: regular expression with one group, searched in a record's name (its header up to the first blank): what
            it finds is the record's group in splits. None: the name itself.
        cache_dir: as Genome takes it.

    Attributes:
        folder: where the letters and columns lie.
        offsets, lengths: int64 (n,), place of each record in the letters.
        groups: uint64 (n,), digest of each record's group.
        digests, turned: uint64 (n,), of each record's letters and of its reverse complement's.

    Raises:
        InputError: missing, cut, or malformed (every fault with its record and line), or of another alphabet.
    """

    def __init__(
        self, path: str | Path, alphabet: str = "dna", group: str | None = None, cache_dir: str | Path | None = None
    ) -> None:
        self.path, self.alphabet = Path(path), alphabet
        compression_of(self.path)  # says what is wrong with a file that is not there
        status = self.path.stat()
        key = digest_of([str(self.path.resolve()), status.st_size, status.st_mtime_ns, alphabet, group, FORMAT])
        self.folder = cache_folder(cache_dir) / "records" / key[:16]
        with alone(self.folder):
            if not (self.folder / "records.json").is_file():
                _build(self.path, alphabet, group, self.folder)
        self._open()

    def __reduce__(self) -> tuple:
        return _reopened, (self.path, self.alphabet, self.folder)

    def _open(self) -> None:
        try:
            header = read_json(self.folder / "records.json")
            for name, size in header["bytes"].items():
                if (self.folder / name).stat().st_size != size:
                    raise ValueError(f"{name} does not have its {size:,} bytes")
            # Plain views: a memmap costs more for each slice of it than a short record's letters.
            self.letters = np.asarray(np.memmap(self.folder / "letters.bin", np.uint8, "r"))
            self.offsets, self.lengths, self.groups, self.digests, self.turned = (
                np.asarray(np.memmap(self.folder / f"{name}.bin", kind, "r")) for name, kind in COLUMNS.items()
            )
        except (OSError, ValueError, KeyError) as error:
            raise IntegrityError(
                f"{self.folder} is not a whole index of {self.path} ({error}): remove that folder"
            ) from None
        self.facts = header["facts"]

    def __len__(self) -> int:
        return len(self.lengths)

    def ids(self, start: int, end: int) -> np.ndarray:
        """Return the ids int64 (end - start,) of a range of the letters."""
        return self.letters[start:end].astype(np.int64)

    def record(self, number: int) -> np.ndarray:
        """Return the ids int64 (l,) of a record."""
        first = int(self.offsets[number])
        return self.ids(first, first + int(self.lengths[number]))


def _reopened(path: Path, alphabet: str, folder: Path) -> Records:
    """Return the records of a folder that is there: another process's copy maps the files itself."""
    records = Records.__new__(Records)
    records.path, records.alphabet, records.folder = path, alphabet, folder
    records._open()
    return records


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process builds the same folder: the ranks of a run open one file at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f".{folder.name}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class _Columns:
    """Appends records to the columns' files."""

    def __init__(self, files: dict[str, BinaryIO], group: str | None) -> None:
        self.files = files
        self.pattern = None if group is None else re.compile(group.encode())
        self.name = b""  # of the record whose name is being read
        self.ungrouped: list[str] = []
        self.letters = 0

    def add(self, scan: Scan, table: np.ndarray) -> None:
        self.files["letters"].write(table[scan.letters])
        lengths = scan.lengths
        offsets = self.letters + np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else lengths
        self.letters += int(lengths.sum())
        values = {"offsets": offsets, "lengths": lengths, "digests": scan.digests[:, 0], "turned": scan.digests[:, 1]}
        for name, value in values.items():
            self.files[name].write(value.astype(COLUMNS[name]).tobytes())
        self.files["groups"].write(self._groups(scan.names).astype(COLUMNS["groups"]).tobytes())

    def _groups(self, names: bytes) -> np.ndarray:
        """Return the digests of the groups of the names that are whole by now."""
        text = self.name + names
        last = text.rfind(b"\n") + 1
        text, self.name = text[:last], text[last:]
        if self.pattern is not None:
            text = b"".join(map(self._group_line, text.split(b"\n")[:-1]))
        letters = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(letters == ord("\n"))
        digests = np.empty(len(ends), np.uint64)
        text_digests(letters, ends, digests)
        return digests

    def _group_line(self, name: bytes) -> bytes:
        found = self.pattern.search(name)
        if found is None:
            if len(self.ungrouped) < _MOST_NAMED:
                self.ungrouped.append(name.decode("utf-8", "replace"))
            return name + b"\n"
        return found[1] + b"\n"


def _build(path: Path, alphabet: str, group: str | None, folder: Path) -> None:
    """Write the folder of a file, whole or not at all."""
    table = encode(bytes(range(256)), alphabet).astype(np.uint8)
    turned = np.arange(256) if alphabet == "protein" else reverse_complement_ids(np.arange(256)[::-1])
    # The complement of RNA's A reads as T, which stands for U.
    turned = encode(bytes(turned.astype(np.uint8)), alphabet).astype(np.uint8)
    text, whole = pieces(path, compression_of(path)), hashlib.sha256()
    scanner: Scanner | None = None
    log.info("indexing %s in %s", path, folder)
    with atomic_directory(folder) as made, contextlib.ExitStack() as streams:
        names = ("letters", *COLUMNS)
        columns = _Columns({name: streams.enter_context(open(made / f"{name}.bin", "wb")) for name in names}, group)
        try:
            for piece in text:
                scanner = scanner or Scanner(piece.lstrip()[:1] == b"@", table, turned)
                whole.update(piece)
                columns.add(scanner.feed(piece), table)
                if scanner.stopped:
                    break
        except InputError as error:
            records, line = (scanner.records, scanner.line) if scanner else (0, 1)
            raise InputError(f"{error} (read as far as record {records:,}, line {line:,})") from None
        scanner = scanner or Scanner(False, table, turned)  # a compressed file of no bytes
        columns.add(scanner.end(), table)
        faults = scanner.faults()
        if not scanner.records and not faults:
            faults = ["it holds no record"]
        if columns.ungrouped:
            faults.append(f"the group pattern '{group}' finds nothing in: {', '.join(columns.ungrouped)}")
        if faults:
            raise InputError(
                f"{path}: {len(faults)} {'fault' if len(faults) == 1 else 'faults'}\n  " + "\n  ".join(faults)
            )
        counts = scanner.counts.copy()
        counts[ord("A") : ord("Z") + 1] += counts[ord("a") : ord("z") + 1]
        counts[ord("a") : ord("z") + 1] = 0
        check_counts(counts, alphabet, str(path))
        foreign = foreign_counts(counts, alphabet)
        if foreign.any():
            told = ", ".join(f"{chr(code)!r} {foreign[code]:,}" for code in np.argsort(-foreign)[:5] if foreign[code])
            log.warning(
                "%s: %d of %d letters are not %s and read as %s: %s",
                *(path, foreign.sum(), counts.sum(), alphabet, ALPHABETS[alphabet].unknown, told),
            )
        streams.close()
        facts = {
            "source": path.name,
            "text_sha256": whole.hexdigest(),
            "alphabet": alphabet,
            "records": scanner.records,
            "letters": columns.letters,
            "foreign_letters": int(foreign.sum()),
        }
        sizes = {file.name: file.stat().st_size for file in sorted(made.iterdir())}
        write_json(made / "records.json", {"format": FORMAT, "facts": facts, "bytes": sizes})
