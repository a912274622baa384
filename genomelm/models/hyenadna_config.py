"""Configuration of HyenaDNA: byte states all the way, so that shell and backbone are of one width."""

from dataclasses import dataclass

from genomelm.errors import UsageError
from genomelm.settings import setting


@dataclass(frozen=True)
class HyenaDNAShellConfig:
    """What stands around the backbone: an embedding of bytes."""

    alphabet: str = setting("dna", "letters that the model reads and predicts", choices=("dna",))
    objective: str = setting("causal", "causal: row i predicts base i+1", choices=("causal",))
    local_width: int = setting(128, "width of byte states", minimum=1)
    conjoined: bool = setting(False, "reads one strand at a time, as causal models do", choices=(False,))


@dataclass(frozen=True)
class HyenaDNABackboneConfig:
    """The HyenaDNA backbone over bytes."""

    layers: int = setting(2, "blocks", minimum=1)
    hidden: int = setting(512, "hidden width of the MLP", minimum=1)
    longest: int = setting(1026, "bases that the filters were made for; longer lags have no taps", minimum=2)
    filter_features: int = setting(5, "features of the lag that the filter networks read: 1 + 2 * bands", minimum=3)
    filter_hidden: int = setting(64, "width of the filter networks", minimum=1)
    shift: float = setting(0.05, "floor of the filters' window")

    def __post_init__(self) -> None:
        if self.filter_features % 2 == 0:
            raise UsageError(
                f"backbone.filter_features is {self.filter_features}, but the lag comes with pairs of sines and "
                "cosines: choose an odd number"
            )
