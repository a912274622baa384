"""What a run tells of itself: the readings of its log, and a line on the way."""

import logging
import math
import resource
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from genomelm.training.loop import Run

log = logging.getLogger(__name__)

LINE_SECONDS = 10.0
"""Time between log lines; a terminal is written to ten times a second at most."""

NONE_YET = dict.fromkeys(("bases", "sum", "count", "norm", "alarms", "skipped", "resumes"), 0)
START = {"log": [], "seconds": 0.0, **NONE_YET}
"""The facts of a run that has not begun."""


class Progress:
    """Collects the log.

    Args:
        run: what is run.
        step: steps done by an earlier run.
        facts: what it had collected (`facts`), or START.
        device: whose memory is told.
    """

    def __init__(self, run: "Run", step: int, facts: Mapping, device: torch.device) -> None:
        self.run, self.device, self.log = run, device, list(facts["log"])
        self.seconds_before, self.bases = facts["seconds"], facts["bases"]
        self.sum, self.count = facts["sum"], facts["count"]  # of the losses since the last reading
        self.norm, self.alarms = facts["norm"], facts["alarms"]  # largest gradient since then, and alarms
        self.skipped, self.resumes = facts["skipped"], facts["resumes"]  # steps since then; of the whole run
        self.first, self.started = step, time.monotonic()
        self.last = _Moment(self.started, self.bases)  # of the last reading, or the start
        self.start = self.last

    def seconds(self) -> float:
        """Return the seconds of the whole run."""
        return self.seconds_before + time.monotonic() - self.started

    def facts(self) -> dict:
        """Return what a checkpoint keeps."""
        return {"seconds": self.seconds(), **{name: getattr(self, name) for name in ("log", *NONE_YET)}}

    def add(self, bases: int, loss: float, norm: float, alarm: bool) -> None:
        """Take in a step that was made."""
        self.bases += bases
        self.sum, self.count = self.sum + loss * self.run.unit[0], self.count + 1
        self.norm, self.alarms = max(self.norm, norm), self.alarms + alarm

    def is_reading(self, done: int) -> bool:
        """Return whether there is a reading after `done` steps."""
        return done % self.run.config.evaluate_every == 0 or done == self.run.steps

    def read(self, done: int, rate: float, told: Mapping, waited: float, saving: float) -> dict:
        """Return a reading, which is in the log now.

        Args:
            done: steps.
            rate: learning rate.
            told: what was measured for it; numbers that are not finite are left out.
            waited, saving: seconds that the run has waited for data, and written checkpoints, since it started.
        """
        norms = {"gradient_norm": self.norm, "gradient_alarms": self.alarms}
        row = {"step": done, "bases": self.bases, "lr": rate, **norms, "skipped": self.skipped, **_finite(told)}
        if self.count:
            row[f"train_{self.run.unit[1]}"] = self.sum / self.count
        now = _Moment(time.monotonic(), self.bases, waited, saving)
        row |= {**now.shares(self.last), "memory": memory(self.device), "seconds": round(self.seconds(), 2)}
        row["resumes"] = self.resumes
        self.log.append(row)
        self.last = now
        self.sum, self.count, self.norm, self.alarms, self.skipped = 0.0, 0, 0.0, 0, 0
        return row

    def line(self, done: int, waited: float) -> str:
        """Return where the run stands, for people."""
        name = self.run.unit[1]
        mean = self.sum / self.count if self.count else (self.log or [{}])[-1].get(f"train_{name}", math.nan)
        now = _Moment(time.monotonic(), self.bases, waited)
        shares = now.shares(self.start)
        left = (now.time - self.start.time) / max(1, done - self.first) * (self.run.steps - done)
        name = "bits per base" if name == "bits" else name
        return (
            f"step {done}/{self.run.steps}  {name} {mean:.4f}  {shares['bytes_per_second'] / 1e3:.1f} kbytes/s  "
            f"waited {100 * shares['waited']:.1f} %  {shares['cores']:.1f} cores  "
            f"{memory(self.device) / 2**30:.2f} GiB  {left:.0f} s left"
        )


def _finite(told: Mapping) -> dict:
    """Return what was measured without numbers that are not finite."""
    found = {}
    for name, value in told.items():
        if isinstance(value, Mapping):
            found[name] = _finite(value)
        elif math.isfinite(value):
            found[name] = value
        else:
            log.warning("%s is %s: left out of the log", name, value)
    return found


class _Moment:
    """The time, and what had been done by then."""

    def __init__(self, at: float, bases: int, waited: float = 0.0, saving: float = 0.0) -> None:
        self.time, self.bases, self.waited, self.saving = at, bases, waited, saving
        self.worked = time.process_time()

    def shares(self, before: "_Moment") -> dict[str, float]:
        """Return the speed since another moment, the shares of the time that went into data and checkpoints, and how
        many CPU cores this process kept busy."""
        seconds = max(self.time - before.time, 1e-9)
        return {
            "bytes_per_second": round((self.bases - before.bases) / seconds, 1),
            "waited": round((self.waited - before.waited) / seconds, 5),
            "saving": round((self.saving - before.saving) / seconds, 5),
            "cores": round((self.worked - before.worked) / seconds, 3),
        }


def memory(device: torch.device) -> int:
    """Return the most bytes that were in use: of tensors on a GPU, of the whole process elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Display:
    """Inside the block, `show` tells where a run stands: a bar on a terminal, a log line now and then otherwise.

    Args:
        steps: of the run.
        quiet: shows nothing, as in all processes but the first.
    """

    def __init__(self, steps: int, quiet: bool) -> None:
        self.steps, self.quiet, self._bar = steps, quiet, None
        self._shown = time.monotonic()

    def __enter__(self) -> "Display":
        if sys.stderr.isatty() and not self.quiet and log.isEnabledFor(logging.INFO):
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (BarColumn(20), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=self.steps)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, progress: Progress, waited: float) -> None:
        """Show where the run stands after `done` steps, if the last time was long enough ago."""
        every = LINE_SECONDS if self._bar is None else 0.1
        if self.quiet or (time.monotonic() - self._shown < every and done < self.steps):
            return
        self._shown = time.monotonic()
        text = progress.line(done, waited)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=text)
        if self._bar is None or done == self.steps:
            log.info(text)
