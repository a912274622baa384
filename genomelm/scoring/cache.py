"""Scores of earlier runs, kept on disk: one SQLite file for each scorer, reference and version of genomelm.

A score is found by what the model reads: a hash of both windows and of the place of the change. Neither genotypes nor
samples come in. Several processes may use one folder at a time.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

from genomelm.errors import IntegrityError, ResourceError, UsageError
from genomelm.files import digest_of
from genomelm.scoring.allele_scorer import AlleleScorer
from genomelm.scoring.identity import reference_facts
from genomelm.seq.genome import Genome
from genomelm.seq.window import AllelePair

_PATIENCE = 120.0  # seconds that a writer waits for another
_AT_ONCE = 500  # keys a query: SQLite allows 999
_READ = [field.name for field in dataclasses.fields(AllelePair) if field.name not in ("variant", "status")]


class ScoreCache:
    """Looks scores up and keeps new ones. A score that is not finite is not kept.

    Attributes:
        found: alleles whose score was there.
        computed: alleles that had to be scored.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path, self._connection = path, connection
        self.found = self.computed = 0

    def scores(self, pairs: list[AllelePair], compute: Callable[[list[AllelePair]], list[float]]) -> list[float]:
        """Return one score a pair; `compute` is called once with those that are not there.

        Raises:
            ResourceError: another process holds the file for too long.
            IntegrityError: the file is damaged.
        """
        if not pairs:
            return []
        keys = [pair_key(pair) for pair in pairs]
        with _explained(self._path):
            known = self._look_up(keys)
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
        new = dict(zip(missing, compute(list(missing.values())) if missing else [], strict=True))
        self.computed += len(new)
        self.found += len(pairs) - len(new)
        with _explained(self._path), self._connection:
            kept = [(key, score) for key, score in new.items() if math.isfinite(score)]
            self._connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", kept)
        known |= new
        return [known[key] for key in keys]

    def _look_up(self, keys: Sequence[bytes]) -> dict[bytes, float]:
        known: dict[bytes, float] = {}
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            known.update(self._connection.execute(f"SELECT key, score FROM scores WHERE key IN ({marks})", some))
        return known


def pair_key(pair: AllelePair) -> bytes:
    """Return 16 bytes that stand for everything that a scorer reads of a pair."""
    read = [getattr(pair, name) for name in _READ]
    return hashlib.blake2b(repr(read).encode(), digest_size=16).digest()


@contextlib.contextmanager
def score_cache(folder: Path | None, scorer: AlleleScorer, genome: Genome) -> Iterator[ScoreCache | None]:
    """Open the file of a scorer, a reference and this version in `folder`, made when it is not there; None gives None.

    Raises:
        UsageError: the folder cannot be made or written.
        ResourceError, IntegrityError: as `ScoreCache.scores`.
    """
    if folder is None:
        yield None
        return
    version = metadata.version("genomelm")
    facts = {"genomelm": version, "tag": scorer.tag, **reference_facts(genome), **scorer.provenance}
    path = folder / f"{digest_of(facts)[:32]}.sqlite"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_PATIENCE)
    except (OSError, sqlite3.Error) as error:
        raise UsageError(f"--cache {folder} cannot be written ({error}); name another folder") from None
    with contextlib.closing(connection):
        with _explained(path), connection:
            connection.execute("CREATE TABLE IF NOT EXISTS scores (key BLOB PRIMARY KEY, score REAL) WITHOUT ROWID")
            connection.execute("CREATE TABLE IF NOT EXISTS facts (text TEXT PRIMARY KEY)")
            connection.execute("INSERT OR IGNORE INTO facts VALUES (?)", [json.dumps(facts, sort_keys=True)])
        yield ScoreCache(path, connection)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ResourceError(f"scores cache {path} cannot be used ({error}); try again, or leave --cache out") from None
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"scores cache {path} is damaged ({error}); remove the file") from None
