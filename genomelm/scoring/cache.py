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
from genomelm.scoring.allele_scorer import AlleleScorer, parts_of
from genomelm.scoring.identity import reference_facts
from genomelm.seq.genome import Genome
from genomelm.seq.window import AllelePair

_PATIENCE = 120.0  # seconds that a writer waits for another
_AT_ONCE = 500  # keys a query: SQLite allows 999
_READ = [field.name for field in dataclasses.fields(AllelePair) if field.name not in ("variant", "status")]


class ScoreCache:
    """Looks scores up and keeps new ones. A score that is not finite is not kept.

    Args:
        path: of the file.
        connection: to it.
        outputs: what stands for each of several outputs in tags; each has a key of its own, so that runs which chose
            others find it.

    Attributes:
        found: alleles whose score was there.
        computed: alleles that had to be scored.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, outputs: Sequence[str] = ()) -> None:
        self._path, self._connection = path, connection
        self._several = bool(outputs)
        self._ends = [hashlib.blake2b(part.encode(), digest_size=8).digest() for part in outputs] or [b""]
        self.found = self.computed = 0

    def scores(self, pairs: list[AllelePair], compute: Callable[[list[AllelePair]], list]) -> list:
        """Return one score a pair, or a list of several outputs' scores; `compute` is called once with the pairs that
        are not there.

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
            rows = [(key, score if self._several else [score]) for key, score in new.items()]
            kept = [pair for key, row in rows if all(map(math.isfinite, row)) for pair in self._keyed(key, row)]
            self._connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", kept)
        known |= new
        return [known[key] for key in keys]

    def _keyed(self, key: bytes, row: Sequence[float]) -> Iterator[tuple[bytes, float]]:
        """Yield the key of each output of a pair, with its score."""
        return ((key + end, score) for end, score in zip(self._ends, row, strict=True))

    def _look_up(self, keys: Sequence[bytes]) -> dict[bytes, float | list[float]]:
        """Return the scores of pairs; one that lacks a score of an output is not there."""
        known: dict[bytes, float] = {}
        wanted = [key + end for key in keys for end in self._ends]
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            known.update(self._connection.execute(f"SELECT key, score FROM scores WHERE key IN ({marks})", some))
        if not self._several:
            return known
        rows = {key: [known.get(key + end) for end in self._ends] for key in keys}
        return {key: row for key, row in rows.items() if None not in row}


def pair_key(pair: AllelePair) -> bytes:
    """Return 16 bytes that stand for everything that a scorer reads of a pair."""
    read = [getattr(one, name) for one in (pair, *getattr(pair, "haplotypes", ())) for name in _READ]
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
        yield ScoreCache(path, connection, parts_of(scorer))


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ResourceError(f"scores cache {path} cannot be used ({error}); try again, or leave --cache out") from None
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"scores cache {path} is damaged ({error}); remove the file") from None
