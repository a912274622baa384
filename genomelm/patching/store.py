"""The on-disk store of a segmented genome: 16-bit scores and one start bit a position, memory-mapped.

Each contig of l bases has l + 1 positions: the last tells whether a byte after it would start a
patch. Its bits begin on a byte of their own, lowest bit first.
"""

import difflib
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from genomelm.errors import InputError, IntegrityError, UsageError
from genomelm.files import atomic_directory, read_json, write_json
from genomelm.patching.breaks import Breaks
from genomelm.patching.codes import Scale
from genomelm.patching.patcher import Patcher
from genomelm.patching.summary import Tally, total
from genomelm.seq.interval import Interval

FORMAT = 2


def write_store(
    directory: str | Path,
    patcher: Patcher,
    contigs: Mapping[str, int],
    fetch: Callable[[str, int, int], np.ndarray],
    facts: Mapping[str, object] | None = None,
    chunk: int = 1 << 22,
    breaks: Callable[[str], Breaks] | None = None,
) -> dict:
    """Segment contigs and store scores and starts, atomically and in bounded memory.

    Args:
        directory: where the store goes; one that is there is replaced when the new one is whole.
        patcher: what segments.
        contigs: name -> bases.
        fetch: gives the ids of [start, end) of a contig.
        facts: what else belongs into the header, such as the genome's digest.
        chunk: positions at a time, a multiple of 8.
        breaks: gives the forced starts of a contig; none by default.

    Returns:
        the summary of all contigs, with one of each under "contigs".
    """
    assert chunk % 8 == 0
    if not contigs:
        raise InputError("there is no contig to segment: the FASTA is empty")
    tallies, index, scored = {}, {}, patcher.scale is not None
    with atomic_directory(directory) as temporary:
        with open(temporary / "starts.bin", "wb") as bits, open(temporary / "scores.bin", "wb") as scores:
            for name, length in contigs.items():
                index[name] = {"length": length, "bits_at": bits.tell(), "scores_at": scores.tell() // 2}
                forced = breaks(name) if breaks else Breaks.none()
                tallies[name] = Tally(length, patcher.rule, patcher.forced(length, forced).positions)
                ids = functools.partial(fetch, name)
                for codes, marks in patcher.stream(ids, length, name, forced, chunk):
                    bits.write(np.packbits(marks, bitorder="little"))
                    if scored:
                        scores.write(codes.astype("<u2"))
                    tallies[name].add(codes, marks)
        summary = {**total(list(tallies.values())), "contigs": {name: t.summary() for name, t in tallies.items()}}
        if not scored:
            (temporary / "scores.bin").unlink()
        header = {
            "format": FORMAT,
            "fingerprint": patcher.fingerprint,
            "scale": [patcher.scale.lo, patcher.scale.hi] if scored else None,
            "bytes": {file.name: file.stat().st_size for file in sorted(temporary.iterdir())},
            "by_bytes": patcher.config.needs_scores and not patcher.placed_scores,
            "facts": dict(facts or {}),
            "contigs": index,
            "summary": summary,
        }
        write_json(temporary / "store.json", header)
    return summary


class PatchStore:
    """Reads starts and scores of windows of a segmented genome."""

    def __init__(self, directory: str | Path, fingerprint: str | None = None, allow_mismatch: bool = False) -> None:
        """Open a store.

        Args:
            directory: what `write_store` wrote.
            fingerprint: the patcher's that the caller works with; None to take what is there.
            allow_mismatch: go on when the store is another patcher's (re-patching without retraining).

        Raises:
            IntegrityError: a file is missing or cut short, or the fingerprint is another one.
            UsageError: the format is newer than this version.
        """
        self.directory = Path(directory)
        try:
            header = read_json(self.directory / "store.json")
            if header["format"] > FORMAT:
                raise UsageError(f"{directory} has format {header['format']}, newer than {FORMAT}: update genomelm")
            for name, size in header["bytes"].items():
                there = (self.directory / name).stat().st_size
                if there != size:
                    raise IntegrityError(
                        f"{self.directory / name} has {there} of {size} bytes: run `genomelm patch` again"
                    )
            self._index, self.fingerprint = header["contigs"], header["fingerprint"]
            self.facts, self.summary = header["facts"], header["summary"]
            self.by_bytes = header["by_bytes"]
            self.scale = Scale(*header["scale"]) if header["scale"] else None
            self._bits = np.memmap(self.directory / "starts.bin", np.uint8, "r")
            self._codes = np.memmap(self.directory / "scores.bin", "<u2", "r") if self.scale else None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{directory} is not a whole patch store ({error}): run `genomelm patch` again"
            ) from None
        if fingerprint is not None and fingerprint != self.fingerprint and not allow_mismatch:
            raise IntegrityError(
                f"{directory} was segmented by patcher {self.fingerprint[:12]}, but {fingerprint[:12]} is wanted: "
                "segment with the model's patcher, or allow the mismatch on purpose"
            )

    def __reduce__(self) -> tuple:
        # A worker process maps the files itself: pickling the maps would copy the genome.
        return PatchStore, (self.directory,)

    @property
    def contigs(self) -> dict[str, int]:
        """Name -> bases."""
        return {name: entry["length"] for name, entry in self._index.items()}

    def marks(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return the stored marks of positions start to end, both inside: bool (end - start + 1,)."""
        at = self._entry(contig, start, end)["bits_at"]
        packed = self._bits[at + start // 8 : at + end // 8 + 1]
        return np.unpackbits(packed, bitorder="little")[start % 8 :][: end - start + 1].view(bool)

    def starts(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return the starts int64 (p,) inside the window [start, end), counted from `start`; 0 is always one."""
        marks = self.marks(contig, start, end)[:-1]
        marks[:1] = True
        return np.flatnonzero(marks)

    def window_marks(self, interval: Interval) -> np.ndarray:
        """Return where patches start in a window, bool (l + 1,), read along its strand; 0 is always a start.

        On the reverse strand the boundaries are the forward ones in mirror image.
        """
        marks = self.marks(interval.contig, interval.start, interval.end)
        if interval.strand == "-":
            marks = marks[::-1].copy()
        marks[0] = True
        return marks

    def scores(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return the stored scores of positions start to end, both inside: float32 (end - start + 1,), nats.

        Raises:
            UsageError: the store's mode has no scores.
        """
        if self.scale is None:
            raise UsageError(f"{self.directory} holds no scores: its mode makes patches without them")
        return self.scale.decode(self.codes(contig, start, end))

    def codes(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return the codes of positions start to end, both inside: uint16 (end - start + 1,); 0 without scores."""
        at = self._entry(contig, start, end)["scores_at"]
        if self.scale is None:
            return np.zeros(end - start + 1, np.uint16)
        return self._codes[at + start : at + end + 1]

    def _entry(self, contig: str, start: int, end: int) -> dict:
        entry = self._index.get(contig)
        if entry is None:
            near = difflib.get_close_matches(contig, self._index, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"it holds {', '.join(list(self._index)[:5])}"
            raise InputError(f"{self.directory} has no contig '{contig}'; {hint}")
        if not 0 <= start <= end <= entry["length"]:
            raise InputError(f"window {contig} [{start}, {end}) does not lie in its {entry['length']} bases")
        return entry
