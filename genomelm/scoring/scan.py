"""The scoring pass of one run: from its first record, or from where the parts of an earlier run end."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping

from genomelm.scoring.mismatch import MismatchTally
from genomelm.scoring.parts import Parts
from genomelm.scoring.pools import Counts, Pools
from genomelm.scoring.record import Record

log = logging.getLogger(__name__)


class Scan:
    """Goes over the records of a share.

    Args:
        pools: that score.
        tally: of REF mismatches.
        records: gives the records from a 0-based number on.
        first, end: the share, 0-based and half-open.
        started: time.monotonic() at the start of the run.
        progress: called with (records done, records in all).
    """

    def __init__(
        self,
        pools: Pools,
        tally: MismatchTally,
        records: Callable[[int], Iterator[Record]],
        first: int,
        end: int,
        started: float,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._pools, self._tally, self._records = pools, tally, records
        self._first, self._end, self._started = first, end, started
        self._progress = progress or (lambda done, total: None)

    @property
    def seconds(self) -> float:
        """Wall time so far, that of earlier runs whose parts are taken over included."""
        return time.monotonic() - self._started

    def texts(self) -> Iterator[bytes]:
        """Yield annotated lines, pool by pool, from where the counts stand."""
        begin = self._first + self._pools.counts.records
        for text in self._pools.annotated(self._records(begin), begin):
            yield text
            self._progress(self._pools.counts.records, self._end - self._first)

    def into_parts(self, parts: Parts) -> None:
        """Score what the parts do not hold yet."""
        if parts.state is not None:
            self._restore(parts.state)
            log.info("%s: %d records are there already", parts.folder, self._pools.counts.records)
        for text in self.texts():
            parts.add(text, self._state())
        parts.close(self._state())

    def _state(self) -> dict:
        return {**self._pools.counts.state, "tally": self._tally.state, "seconds": self.seconds}

    def _restore(self, state: Mapping) -> None:
        self._pools.counts = Counts.of(state)
        self._tally.state = state["tally"]
        self._started -= state["seconds"]
