"""Progress of a long loop: a bar with rate and ETA on a terminal, a log line now and then otherwise."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

_SECONDS = 30.0  # between log lines


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function to call with (done, total)."""
    if sys.stderr.isatty():
        with _bar(what) as update:
            yield update
    else:
        yield _lines(what)


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(what: str) -> Callable[[int, int], None]:
    started = last = time.monotonic()

    def update(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS:
            last = now
            rate = done / (now - started)
            logger.info("%s: %d of %d, %.0f/s, %.0f s left", what, done, total, rate, (total - done) / max(rate, 1e-9))

    return update
