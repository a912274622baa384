"""The data of the next steps, made in a thread while the device works on this one."""

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import torch

from genomelm.models.encoding import Batch
from genomelm.seq.alphabet import BOS

Labels = torch.Tensor | dict[str, torch.Tensor]


@dataclass(frozen=True)
class Part:
    """A process's micro-batch of a step.

    Attributes:
        batch, labels: what the model is called with.
        bases: letters in it.
        targets: labels that its loss is the mean over, or what they weigh together.
    """

    batch: Batch
    labels: Labels
    bases: int
    targets: float

    @classmethod
    def of(cls, batch: Batch, labels: Labels, count: Callable[[Batch, Labels], float]) -> "Part":
        """Return the part with its counts."""
        return cls(batch, labels, int((batch.mask & (batch.ids != BOS)).sum()), count(batch, labels))

    def pinned(self) -> "Part":
        """Return the part in page-locked memory, from which a GPU fetches without being waited for."""
        return dataclasses.replace(
            self, batch=self.batch.pinned(), labels=_with_each(self.labels, torch.Tensor.pin_memory)
        )

    def to(self, device: torch.device) -> "Part":
        """Return the part on `device`."""
        labels = _with_each(self.labels, lambda x: x.to(device, non_blocking=True))
        return dataclasses.replace(self, batch=self.batch.to(device), labels=labels)


def _with_each(labels: Labels, change: Callable[[torch.Tensor], torch.Tensor]) -> Labels:
    return {name: change(x) for name, x in labels.items()} if isinstance(labels, dict) else change(labels)


class Ahead:
    """Inside the block, `take` gives the data of one step after another.

    A thread makes them at most `count` steps ahead, one after another, so neither their order nor what they are
    depends on it. An error in it is raised by `take`, at the step that it belongs to.

    Args:
        make: step -> its data.
        count: steps ahead; 0: `take` makes them itself.
        first, end: steps, half-open.

    Attributes:
        waited: seconds that `take` has waited for data.
        making: held while data are made; who reads the same files meanwhile holds it too.
    """

    def __init__(self, make: Callable[[int], list[Part]], count: int, first: int, end: int) -> None:
        self.make, self.count, self.step, self.end = make, count, first, end
        self.waited = 0.0
        self.making = threading.Lock()
        self._worker = ThreadPoolExecutor(1, "data") if count else None
        self._pending: deque[Future] = deque()

    def __enter__(self) -> "Ahead":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._worker is not None:
            self._worker.shutdown(cancel_futures=True)

    def take(self) -> list[Part]:
        """Return the data of the next step.

        Raises:
            Exception: what making them raised.
        """
        started = time.monotonic()
        if self._worker is None:
            made = self._made(self.step)
        else:
            for step in range(self.step + len(self._pending), min(self.step + self.count, self.end)):
                self._pending.append(self._worker.submit(self._made, step))
            made = self._pending.popleft().result()
            if self.step + self.count < self.end:
                self._pending.append(self._worker.submit(self._made, self.step + self.count))
        self.waited += time.monotonic() - started
        self.step += 1
        return made

    def back_to(self, step: int) -> None:
        """Go on from another step."""
        while self._pending:
            self._pending.popleft().cancel()
        self.step = step

    def _made(self, step: int) -> list[Part]:
        with self.making:
            return self.make(step)
