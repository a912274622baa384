"""The pass that scores: records go through in pools, whose alleles are scored in one call.

A pool ends at every BLOCK-th record of the file, or earlier when it holds enough, so which alleles are scored together
does not depend on where a run began: parts and shards give the scores of a whole run.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from genomelm.scoring.allele_scorer import AlleleScorer, outputs_of
from genomelm.scoring.cache import ScoreCache
from genomelm.scoring.mismatch import MismatchTally
from genomelm.scoring.percentile import Background
from genomelm.scoring.record import Record, Row, finite, finite_row
from genomelm.scoring.tags import Tags
from genomelm.seq.genome import Genome
from genomelm.seq.window import SCORED, AllelePair

BLOCK = 2048  # records
_BYTES = 1 << 22  # of lines

NOT_SELECTED = "NOT_SELECTED"


@dataclass
class Counts:
    """What has gone through.

    Args:
        records: data lines read.
        dropped: those left out on request.
        statuses: alleles a status.
        sites: records a reason why they have no allele to score.
    """

    records: int = 0
    dropped: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    sites: Counter[str] = field(default_factory=Counter)

    @property
    def state(self) -> dict:
        """The counts as plain JSON values."""
        return {**vars(self), "statuses": dict(self.statuses), "sites": dict(self.sites)}

    @classmethod
    def of(cls, state: Mapping) -> "Counts":
        """Return the counts of a `state`."""
        return cls(state["records"], state["dropped"], Counter(state["statuses"]), Counter(state["sites"]))


class Pools:
    """Scores records and gives them back as lines of the output, a pool at a time.

    Args:
        genome, scorer, tally, tags: of the run.
        replaced: tags whose old values are taken out.
        batch_size: scored alleles that close a pool.
        drop_outside: leave records out that are not selected.
        background: of the scores, if there is one.
        cache: scores of earlier runs, if they are kept.

    Attributes:
        counts: of what has gone through.
    """

    def __init__(
        self,
        genome: Genome,
        scorer: AlleleScorer,
        tally: MismatchTally,
        tags: Tags,
        replaced: frozenset[bytes],
        batch_size: int,
        drop_outside: bool = False,
        background: Background | None = None,
        cache: ScoreCache | None = None,
    ) -> None:
        self._genome, self._scorer, self._tally = genome, scorer, tally
        self._tags, self._replaced, self._batch_size = tags, replaced, batch_size
        self._drop_outside, self._background, self._cache = drop_outside, background, cache
        self._width = len(tags.scores)
        self.counts = Counts()

    def annotated(self, records: Iterable[Record], first: int) -> Iterator[bytes]:
        """Yield the lines of each pool.

        Args:
            records: in the file's order.
            first: 0-based number of the first of them in the file.
        """
        pool: list[Record] = []
        scored = size = 0
        for number, record in enumerate(records, first + 1):
            self.counts.records += 1
            if (self._drop_outside and record.site == NOT_SELECTED) or (record.alts and self._prepare(record)):
                self.counts.dropped += 1
            else:
                scored += sum(pair.status in SCORED for pair in record.pairs)
                size += len(record.rest) + len(record.info)
                pool.append(record)
            if number % BLOCK == 0 or scored >= self._batch_size or size >= _BYTES:
                yield self._flush(pool)
                pool, scored, size = [], 0, 0
        yield self._flush(pool)

    def _prepare(self, record: Record) -> bool:
        """Make the alleles' windows; return whether the record is dropped."""
        variants = [record.variant(alt) for alt in record.alts]
        if record.contig is None:
            record.pairs = [AllelePair(variant, "CONTIG_MISSING") for variant in variants]
            return False
        record.pairs = [self._scorer.pair(self._genome, variant) for variant in variants]
        return self._tally.add(variants[0], {pair.status for pair in record.pairs})

    def _flush(self, pool: list[Record]) -> bytes:
        pairs = [pair for record in pool for pair in record.pairs if pair.status in SCORED]
        scores = [finite_row(row) for row in self._scores(pairs).tolist()] if pairs else []
        found, below = iter(scores), iter(self._percentiles(pairs, scores))
        for record in pool:
            if record.pairs:
                scored = [pair.status in SCORED for pair in record.pairs]
                rows = [next(found) if s else None for s in scored]
                record.take(rows, [next(below) if s else None for s in scored] if self._background else [])
                self.counts.statuses.update(record.statuses)
            if record.site:
                self.counts.sites[record.site] += 1
        return b"".join([record.line(self._tags, self._replaced) for record in pool])

    def _scores(self, pairs: list[AllelePair]) -> np.ndarray:
        """Return float64 (n, k), of k outputs."""
        found = self._computed(pairs) if self._cache is None else self._cache.scores(pairs, self._computed)
        return np.asarray(found, np.float64).reshape(len(pairs), self._width)

    def _computed(self, pairs: list[AllelePair]) -> list:
        values = np.asarray(self._scorer.score(pairs), np.float64)
        shape = (len(pairs), self._width) if outputs_of(self._scorer) else (len(pairs),)
        assert values.shape == shape, f"scorer gave shape {values.shape} for {len(pairs)} pairs"
        return values.tolist()

    def _percentiles(self, pairs: list[AllelePair], scores: list[Row | None]) -> list[Row]:
        if self._background is None or not pairs:
            return []
        none = (None,) * self._width
        given = np.array([row or none for row in scores], np.float64)
        values = self._background.percentiles(pairs, given if outputs_of(self._scorer) else given[:, 0])
        return [tuple(map(finite, row)) for row in np.asarray(values, np.float64).reshape(given.shape).tolist()]
