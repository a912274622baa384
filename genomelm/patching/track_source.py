"""Scores from a track: what a genome's positions score, whatever the bytes there are."""

import functools
import math

import numpy as np

from genomelm.errors import InputError, NumericalError, UsageError
from genomelm.files import digest_of
from genomelm.patching.codes import Scale
from genomelm.seq.track import Track

_PIECE = 1 << 22  # bases at a time


class TrackSource:
    """A track as a score by coordinate, with a stated rule for bases that have no value.

    A patch may start at every base that scores high, so a boundary tells of the track: the model that reads it
    uses side information.

    Args:
        track: opened against the genome.
        missing: what a base without a value scores: "error" (refused, by its place), "min" (the least of the
            scale), or a number as text.
        scale: (lo, hi) of the scores; None finds the least and largest score of all contigs by reading the
            track once. A track of one value throughout gets hi = lo + 1.

    Attributes:
        kind: "track".
        scale: what the scores' codes mean.

    Raises:
        UsageError: the rule is none of the above, or the scale is empty or does not hold the number.
        InputError: a value is missing where the rule is "error", or the track has no value on the genome.
        NumericalError: a value is infinite.
    """

    kind = "track"

    def __init__(self, track: Track, missing: str, scale: tuple[float, float] | None = None) -> None:
        self.track, self.missing = track, missing
        self._filling = _filling(missing)
        lo, hi = scale if scale is not None else self._range()
        if not (math.isfinite(lo) and math.isfinite(hi) and lo < hi):
            raise UsageError(f"scale [{lo}, {hi}] of {track.path} is empty: its first number must be the smaller one")
        self.scale = Scale(float(lo), float(hi))
        if missing == "min":
            self._filling = self.scale.lo
        elif self._filling is not None and not lo <= self._filling <= hi:
            raise UsageError(f"missing values of {track.path} as {missing} lie outside of the scale [{lo}, {hi}]")

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the file's digest, the rule for missing values and the scale."""
        return digest_of({"track": self.track.digest, "missing": self.missing, "scale": [self.scale.lo, self.scale.hi]})

    def facts(self) -> dict:
        """Return what a header tells of the track, as JSON."""
        return {
            "kind": self.kind,
            "name": self.track.path.name,
            "sha256": self.track.digest,
            "missing": self.missing,
            "scale": [self.scale.lo, self.scale.hi],
        }

    def scores_at(self, contig: str, start: int, end: int) -> np.ndarray:
        """Return the scores of positions start to end, both inside: float32 (end - start + 1,), no NaN.

        The position past the contig's end scores what the last base does.

        Raises:
            InputError: the contig or a position is not of the genome, or a value is missing and may not be.
        """
        length = self.track.contigs.get(contig, end + 1)  # an unknown contig is refused by the track
        if not 0 <= start <= end <= length:
            raise InputError(f"positions {start} to {end} do not lie in the {length:,} bases of {contig}")
        if length == 0:
            return np.full(1, self.scale.lo, np.float32)
        first = min(start, length - 1)
        scores = self._filled(contig, first, min(end + 1, length))
        return scores if end < length else np.append(scores[start - first :], scores[-1])

    def _filled(self, contig: str, start: int, end: int) -> np.ndarray:
        values = self.track.values(contig, start, end)
        absent = np.isnan(values)
        if absent.any():
            if self._filling is None:
                first = int(absent.argmax())
                run = int(np.append(absent[first:], False).argmin())
                raise InputError(
                    f"{self.track.path} has no value at {contig}:{start + first + 1}-{start + first + run}: "
                    "say what a missing value scores (min, or a number such as 0)"
                )
            values[absent] = self._filling
        return values

    def _range(self) -> tuple[float, float]:
        """Return the least and largest score of all contigs; under the rule "min", of the values that are there."""
        lo, hi = math.inf, -math.inf
        for contig, length in self.track.contigs.items():
            for start in range(0, length, _PIECE):
                end = min(start + _PIECE, length)
                values = self.track.values(contig, start, end) if self.missing == "min" else None
                values = self._filled(contig, start, end) if values is None else values[~np.isnan(values)]
                if np.isinf(values).any():
                    raise NumericalError(f"{self.track.path} has an infinite value in {contig}:{start + 1}-{end}")
                if values.size:
                    lo, hi = min(lo, float(values.min())), max(hi, float(values.max()))
        if lo > hi:
            raise InputError(f"{self.track.path} has no value on any contig of the genome")
        return lo, hi if lo < hi else lo + 1


def _filling(missing: str) -> float | None:
    """Return the number that a rule names; None for "error", NaN for "min", whose number the scale tells."""
    if missing in ("error", "min"):
        return None if missing == "error" else math.nan
    try:
        number = float(missing)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"missing values as '{missing}' are unknown: choose error, min, or a number such as 0")
    return number
