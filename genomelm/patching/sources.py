"""Where scores come from: what the patcher asks of a source, whoever computes it."""

from pathlib import Path
from typing import Protocol

import numpy as np

from genomelm.patching.codes import Scale


class ByteSource(Protocol):
    """Scores from the record's own bytes, such as the entropy of a language model's prediction.

    Attributes:
        kind: its name in a patcher's config: count or neural.
        alphabet: dna, rna or protein.
        reach: how many bytes before a position its score may read, so that chunks can overlap by as many.
        scale: the scores' range.
        training: the intervals that it was fitted on, as text.
        digest: SHA-256 of all that decides a score.
    """

    kind: str
    alphabet: str
    reach: int
    scale: Scale
    training: tuple[str, ...]
    digest: str

    def scores(self, ids: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        """Return float32 (l + 1,): element i tells of byte i of ids (l,) given `context` and the bytes before it."""
        ...

    def save(self, directory: str | Path) -> None:
        """Write the source into a new directory, atomically."""
        ...


class PlaceSource(Protocol):
    """Scores by coordinate, such as a track of conservation: nothing that a bare sequence could give.

    Attributes:
        kind: its name in a patcher's config: track.
        scale: the scores' range.
        digest: SHA-256 of all that decides a score.
    """

    kind: str
    scale: Scale
    digest: str

    def scores_at(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return float32 (end - start + 1,), no NaN: positions start to end, both inside."""
        ...

    def facts(self) -> dict:
        """Return name, digest and treatment of missing values, as JSON values."""
        ...
