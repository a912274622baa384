"""A run's log on disk: JSON lines while it runs and at its end, TensorBoard events if they are wanted."""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from genomelm.errors import UsageError
from genomelm.files import write_text

TIMES = ("seconds", "bytes_per_second", "waited", "saving", "cores", "memory", "resumes")
"""Keys of a reading that differ from run to run; all others are a function of settings and data."""


class LogFiles:
    """Writes readings as they come into log.jsonl, and into tensorboard/ beside it.

    Args:
        folder: the run's state folder.
        rows: readings of an earlier run that this one goes on from; later ones in the files are dropped.
        events: whether TensorBoard's are wanted.

    Raises:
        UsageError: they are, and the package is missing.
    """

    def __init__(self, folder: Path, rows: Sequence[Mapping], events: bool) -> None:
        self.path = folder / "log.jsonl"
        self.back_to(rows)
        self.events = None
        if events:
            # What an earlier run wrote after the checkpoint is hidden: the steps come again.
            self.events = event_writer()(folder / "tensorboard", purge_step=rows[-1]["step"] + 1 if rows else 0)

    def back_to(self, rows: Sequence[Mapping]) -> None:
        """Drop all readings but these."""
        write_log(self.path, rows)

    def add(self, row: Mapping) -> None:
        """Write one reading."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(row))
        if self.events is not None:
            for name, value in _figures(row):
                self.events.add_scalar(name, value, row["step"])
            self.events.flush()

    def close(self) -> None:
        """End the files."""
        if self.events is not None:
            self.events.close()


def event_writer() -> type:
    """Return the class that writes TensorBoard's files.

    Raises:
        UsageError: the package is missing.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError(
            "tensorboard: true needs a package that is not installed: pip install 'genomelm[tensorboard]', or leave it "
            "out"
        ) from None
    return SummaryWriter


def keep_events(state: Path, out: Path) -> None:
    """Move a finished run's TensorBoard events, if it has any, from its state folder to its outputs."""
    if (state / "tensorboard").is_dir():
        shutil.rmtree(out / "tensorboard", ignore_errors=True)
        shutil.move(state / "tensorboard", out / "tensorboard")


def write_log(path: Path, rows: Sequence[Mapping]) -> None:
    """Write the log as JSON lines, atomically."""
    write_text(path, "".join(map(_line, rows)))


def totals(log: Sequence[Mapping]) -> dict[str, float]:
    """Return what a whole run took, from the last reading of its log."""
    steps, bases, seconds = (log[-1][name] for name in ("step", "bases", "seconds"))
    speed = round(bases / seconds / 1e3, 2)
    return {"steps": steps, "bases": bases, "seconds": seconds, "kbases_per_second": speed}


def _line(row: Mapping) -> str:
    assert all(math.isfinite(value) for _, value in _figures(row))
    return json.dumps(row) + "\n"


def _figures(row: Mapping, before: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a reading, those of parts as part/name."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _figures(value, f"{before}{name}/")
        else:
            yield before + name, value
