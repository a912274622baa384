"""Asking a run to stop: signals and the time budget."""

import signal
import threading
import time
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


class StopRequest:
    """Inside the block, signals are noted instead of killing the run; `reason` tells of them.

    A second Ctrl-C interrupts at once.

    Args:
        max_minutes: time budget, None for no limit.
    """

    def __init__(self, max_minutes: float | None = None) -> None:
        self._deadline = None if max_minutes is None else time.monotonic() + 60 * max_minutes
        self._signal: str | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._signal == "SIGINT":
            raise KeyboardInterrupt
        self._signal = signal.Signals(number).name

    @property
    def reason(self) -> str | None:
        """Why the run should stop now, or None."""
        if self._signal:
            return self._signal
        if self._deadline is not None and time.monotonic() > self._deadline:
            return "the time budget is spent"
        return None
