"""Finished parts of an output that is still being made, so that a run which was killed goes on where it stopped.

A part is a gzip file of annotated lines and a JSON file, which is written last: a part without it does not count.
"""

import gzip
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from genomelm.errors import IntegrityError, UsageError
from genomelm.files import atomic_path, read_json, write_json
from genomelm.seq.bgzf import line_blocks

SECONDS = 20.0  # that a part takes, at least: as much is lost at most, and one pool
_RUN = "run.json"


class Parts:
    """The parts in a folder.

    Args:
        folder: made when it is not there.
        run: what decides the output's lines; parts of another run are refused.

    Attributes:
        state: as it was handed in with the last finished part; None when there is none.

    Raises:
        UsageError: the folder holds parts of another run.
    """

    def __init__(self, folder: Path, run: Mapping[str, object]) -> None:
        self.folder = folder
        self.state: dict | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self._check(dict(run))
        self._lines: list[int] = []
        while (record := self._path(len(self._lines), "json")).exists():
            facts = read_json(record)
            self._lines.append(facts["lines"])
            self.state = facts["state"]
        self._text: list[bytes] = []
        self._size = 0
        self._begun = time.monotonic()

    def _check(self, run: dict) -> None:
        path = self.folder / _RUN
        if not path.exists():
            write_json(path, run)
            return
        before = read_json(path)
        different = sorted(key for key in {*before, *run} if before.get(key) != run.get(key))
        if different:
            raise UsageError(
                f"{self.folder} holds parts of a run with another {', '.join(different)}: give the options and the "
                "files of that run again, or remove the folder to begin anew"
            )

    def _path(self, number: int, ending: str) -> Path:
        return self.folder / f"{number:06}.{ending}"

    def add(self, text: bytes, state: Mapping[str, object]) -> None:
        """Take the lines of a pool; close the part when it is old enough or large.

        Args:
            text: whole lines.
            state: from which the run goes on behind them; plain JSON values.
        """
        self._text.append(text)
        self._size += len(text)
        if time.monotonic() - self._begun >= SECONDS or self._size >= 1 << 25:
            self.close(state)

    def close(self, state: Mapping[str, object]) -> None:
        """Finish the part that is open."""
        number = len(self._lines)
        text = b"".join(self._text)
        with atomic_path(self._path(number, "gz")) as temporary, gzip.open(temporary, "wb", 1) as stream:
            stream.write(text)
        self._lines.append(text.count(b"\n"))
        write_json(self._path(number, "json"), {"lines": self._lines[-1], "state": dict(state)})
        self.state = dict(state)
        self._text, self._size = [], 0
        self._begun = time.monotonic()

    def texts(self) -> Iterator[bytes]:
        """Yield the lines of all finished parts, in blocks of whole lines.

        Raises:
            IntegrityError: a part does not hold the lines that it was written with.
        """
        for number, lines in enumerate(self._lines):
            path = self._path(number, "gz")
            found = 0
            for block in line_blocks(path, "gzip") if path.exists() else ():
                found += block.count(b"\n")
                yield block
            if found != lines:
                raise IntegrityError(f"{path} holds {found} of {lines} lines; remove {self.folder} and run again")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
