"""Scores as 16-bit integers: what is stored, and what every comparison is made on.

A float comparison can fall differently after storing; codes cannot, so a record has the same
starts whether it is scored on the fly or read from a store.
"""

from dataclasses import dataclass

import numpy as np

from genomelm.errors import InputError, NumericalError

LARGEST = 65535


@dataclass(frozen=True)
class Scale:
    """An affine map of scores from [lo, hi] onto the codes 0 to 65535."""

    lo: float
    hi: float

    @property
    def step(self) -> float:
        """How much score one code is worth."""
        return (self.hi - self.lo) / LARGEST

    def encode(self, scores: np.ndarray) -> np.ndarray:
        """Return uint16 codes of `scores`, any shape.

        Raises:
            NumericalError: a score is NaN.
            InputError: a score is outside [lo, hi] by more than one step.
        """
        scores = np.asarray(scores, np.float64)
        if scores.size:
            smallest, largest = scores.min(), scores.max()
            if np.isnan(smallest):
                where = int(np.isnan(scores).argmax())
                raise NumericalError(f"score {where} is NaN: fill missing scores in before patching")
            if smallest < self.lo - self.step or largest > self.hi + self.step:
                raise InputError(f"scores reach from {smallest} to {largest}, outside the scale [{self.lo}, {self.hi}]")
        return np.rint(np.clip((scores - self.lo) / self.step, 0, LARGEST)).astype(np.uint16)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return float32 scores of uint16 `codes`."""
        return (self.lo + np.asarray(codes, np.float64) * self.step).astype(np.float32)
