"""The patcher's config: mode, its limits, and how its count model is fitted."""

from dataclasses import dataclass

from genomelm.errors import UsageError
from genomelm.patching.modes import MODES
from genomelm.patching.parameters import SCORED
from genomelm.settings import setting


@dataclass(frozen=True)
class PatcherConfig:
    """How records are cut into patches."""

    mode: str = setting("entropy", "how starts are chosen", choices=tuple(MODES))
    threshold: float | None = setting(None, "nats; a patch starts where the score is above it; null: to be calibrated")
    stride: int = setting(8, "bytes a patch in mode fixed_stride", minimum=1)
    min: int = setting(1, "fewest bytes a patch in mode length_constrained", minimum=1)
    max: int = setting(64, "most bytes a patch in mode length_constrained", minimum=1)
    multiple: int = setting(1, "patches have a multiple of so many bytes in mode length_constrained", minimum=1)
    alphabet: str = setting("dna", "letters that the count model knows", choices=("dna", "rna", "protein"))
    order: int = setting(11, "bytes of context that the count model reads", minimum=0)
    both_strands: bool = setting(True, "count the reverse complement too (DNA only)")

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UsageError(f"patching mode '{self.mode}' is unknown: choose {', '.join(MODES)}")
        if self.mode == "length_constrained" and (self.max % self.multiple or not 1 <= self.min <= self.max):
            raise UsageError(
                f"patches of {self.min} to {self.max} bytes in multiples of {self.multiple} cannot be made: "
                "max must be a multiple, and min between 1 and max"
            )
        if min(self.stride, self.multiple) < 1:
            raise UsageError(f"stride {self.stride} and multiple {self.multiple} must be 1 or more")

    @property
    def needs_scores(self) -> bool:
        """Whether the mode compares scores with a threshold."""
        return self.mode in SCORED
