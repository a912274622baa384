"""Configuration of the convolutional network: byte states all the way, so that shell and layers are of one width."""

from dataclasses import dataclass

from genomelm.errors import UsageError
from genomelm.settings import setting


@dataclass(frozen=True)
class CNNShellConfig:
    """What stands around the layers: an embedding of bytes."""

    alphabet: str = setting("dna", "letters that the model reads and predicts", choices=("dna", "rna", "protein"))
    objective: str = setting(
        "causal", "causal: row i predicts base i+1; masked: row i is base i, hidden", choices=("causal", "masked")
    )
    local_width: int = setting(256, "width of byte states", minimum=1)
    conjoined: bool = setting(False, "reads one strand at a time", choices=(False,))


@dataclass(frozen=True)
class CNNBackboneConfig:
    """Convolutions over bytes."""

    taps: tuple[int, ...] = setting((15, 7, 7), "taps of each layer")

    def __post_init__(self) -> None:
        if not self.taps or min(self.taps) < 1:
            raise UsageError(
                f"backbone.taps is {list(self.taps)}: give each layer's taps, 1 or more, such as [15, 7, 7]"
            )
