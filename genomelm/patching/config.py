"""The patcher's config: mode, its limits, and where its scores come from."""

from dataclasses import dataclass

from genomelm.errors import UsageError
from genomelm.patching.parameters import PARAMETERS, SCORED, UNITS, limits_fault
from genomelm.settings import setting

ISOLATED = ("n", "case")


@dataclass(frozen=True)
class PatcherConfig:
    """How records are cut into patches."""

    mode: str = setting("entropy", "how starts are chosen", choices=tuple(PARAMETERS))
    threshold: float | None = setting(
        None, "what a score must exceed (greedy: its sum must reach; optimal: the price of a start); null: calibrate"
    )
    delta: float = setting(0.0, "what the rise of the score must exceed in mode dual_threshold")
    stride: int = setting(8, "bytes a patch in mode fixed_stride", minimum=1)
    min: int = setting(1, "fewest bytes a patch (length_constrained, optimal)", minimum=1)
    max: int = setting(64, "most bytes a patch (greedy, length_constrained, optimal)", minimum=1)
    multiple: int = setting(1, "patches have a multiple of so many bytes (length_constrained, optimal)", minimum=1)
    alpha: float = setting(0.0, "price of a squared byte of difference from target in mode optimal", minimum=0)
    target: float = setting(8.0, "length from which alpha counts differences", minimum=1)
    source: str = setting("count", "what gives the scores", choices=("count", "neural", "track"))
    symmetric: bool = setting(False, "add the other strand's scores: both strands are cut alike (entropy, optimal)")
    isolate: tuple[str, ...] = setting((), "runs that are patches of their own: n (no letters), case", choices=ISOLATED)
    edges: str = setting(
        "after", "a run is known one byte after its edge, or (side information) at it", choices=("after", "at")
    )
    alphabet: str = setting("dna", "letters that the score source knows", choices=("dna", "rna", "protein"))
    order: int = setting(11, "bytes of context that the count model reads", minimum=0)
    both_strands: bool = setting(True, "count the reverse complement too (DNA only)")

    def __post_init__(self) -> None:
        if self.mode not in PARAMETERS:
            raise UsageError(f"patching mode '{self.mode}' is unknown: choose {', '.join(PARAMETERS)}")
        if min(self.stride, self.multiple, self.max) < 1:
            raise UsageError(f"stride {self.stride}, max {self.max} and multiple {self.multiple} must be 1 or more")
        if fault := limits_fault(self.mode, self.min, self.max, self.multiple):
            raise UsageError(fault)
        if strange := set(self.isolate) - set(ISOLATED):
            raise UsageError(f"isolate has {', '.join(sorted(strange))}: choose from {', '.join(ISOLATED)}")
        if self.symmetric:
            self._check_symmetric()

    def _check_symmetric(self) -> None:
        if self.mode not in ("entropy", "optimal") or self.source == "track" or self.alphabet != "dna":
            raise UsageError(
                f"symmetric patches need mode entropy or optimal and DNA scored by its own bytes, not mode {self.mode} "
                f"of {self.alphabet} with source {self.source}: the other modes read each strand from its own start"
            )
        if self.isolate and self.edges == "after":
            raise UsageError(
                "symmetric patches cannot start one byte after the edges of runs, which is another place on the other "
                "strand: set edges to at"
            )
        if self.mode == "optimal" and self.multiple > 1:
            raise UsageError(
                f"symmetric patches in multiples of {self.multiple} bytes cannot begin at both ends of a record: "
                "set multiple to 1"
            )

    @property
    def needs_scores(self) -> bool:
        """Whether the mode reads scores."""
        return self.mode in SCORED

    @property
    def unit(self) -> int:
        """Patches start at multiples of so many bytes, counted from the phase of their segment."""
        return getattr(self, UNITS[self.mode]) if self.mode in UNITS else 1
