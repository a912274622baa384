"""A mode and its parameters in whole numbers: the units in which every comparison is made."""

import math
from dataclasses import dataclass

import numpy as np

from genomelm.errors import NumericalError
from genomelm.patching.codes import LARGEST, Scale
from genomelm.patching.config import PatcherConfig
from genomelm.patching.parameters import UNITS


@dataclass(frozen=True)
class Rule:
    """A mode and its parameters, in the units of the scores that it is applied to.

    Attributes:
        mode: one of `parameters.PARAMETERS`.
        threshold: what a score (in monotonic mode its rise, in greedy mode the sum since the last start) is
            measured against; in optimal mode the price of a start.
        delta: what the rise must exceed too, in dual_threshold mode.
        zero: the score 0, for the sums of greedy mode.
        stride, min, max, multiple: limits of patch lengths, in bytes.
        penalties: cost of a patch of 0 to max bytes in optimal mode, or None where lengths cost nothing.
        symmetric: whether the optimum of a record and of its mirror must mirror each other.
    """

    mode: str
    threshold: float = 0
    delta: float = 0
    zero: int = 0
    stride: int = 1
    min: int = 1
    max: int = 1
    multiple: int = 1
    penalties: tuple[int, ...] | None = None
    symmetric: bool = False

    @property
    def unit(self) -> int:
        """Patches start at multiples of so many bytes, counted from the phase of their segment."""
        return getattr(self, UNITS[self.mode]) if self.mode in UNITS else 1


def rule_of(config: PatcherConfig, scale: Scale | None) -> Rule:
    """Return the rule of a config on codes of `scale`; without a threshold (to be calibrated) it is 0.

    Raises:
        NumericalError: a parameter is NaN or infinite.
    """
    for name in ("threshold", "delta", "alpha", "target"):
        value = getattr(config, name)
        if value is not None and not math.isfinite(value):
            raise NumericalError(f"{name} is {value}: give a number")
    limits = {"stride": config.stride, "min": config.min, "max": config.max, "multiple": config.multiple}
    if scale is None:
        return Rule(config.mode, **limits)
    penalties = None
    if config.mode == "optimal" and config.alpha:
        costs = config.alpha * (np.arange(config.max + 1) - config.target) ** 2 / scale.step
        # the cut refuses sums that are not exact, so that here they only must not wrap around
        penalties = tuple(np.rint(np.minimum(costs, 2.0**53)).astype(np.int64).tolist())
    return Rule(
        config.mode,
        0 if config.threshold is None else to_codes(config.mode, config.threshold, scale),
        round(config.delta / scale.step),
        round(scale.lo / scale.step),
        **limits,
        penalties=penalties,
        symmetric=config.symmetric,
    )


def to_codes(mode: str, threshold: float, scale: Scale) -> int:
    """Return a config's threshold in the units of codes."""
    if np.isnan(threshold):
        raise NumericalError("the threshold is NaN: give a number")
    if mode in ("greedy", "monotonic"):
        return round(threshold / scale.step)
    code = round((threshold - scale.lo) / scale.step)
    return code if mode == "optimal" else min(max(code, -1), LARGEST)


def from_codes(mode: str, code: int, scale: Scale) -> float:
    """Return the config's threshold of a code: the inverse of `to_codes`."""
    return code * scale.step if mode in ("greedy", "monotonic") else scale.lo + code * scale.step
