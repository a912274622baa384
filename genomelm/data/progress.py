"""Progress of a transfer in bytes: a bar with rate and ETA on a terminal, a log line now and then otherwise."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

SECONDS = 10.0  # between log lines


@contextlib.contextmanager
def transfer(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a function to call with (bytes so far, bytes in all or None)."""
    if not sys.stderr.isatty():
        yield _lines(name)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(20), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(name: str) -> Callable[[int, int | None], None]:
    began: tuple[float, int] | None = None  # when the first call came, and at how many bytes
    last = time.monotonic()

    def update(done: int, total: int | None) -> None:
        nonlocal began, last
        now = time.monotonic()
        began = began if began and began[1] <= done else (now, done)
        if now - last < SECONDS:
            return
        last = now
        rate = max((done - began[1]) / max(now - began[0], 1e-9), 1e-9)
        left = f" of {total / 1e6:.1f} MB, {(total - done) / rate:.0f} s left" if total else " MB"
        logger.info("%s: %.1f%s, %.1f MB/s", name, done / 1e6, left, rate / 1e6)

    return update
