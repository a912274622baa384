"""Configuration of the transformer's backbone."""

from dataclasses import dataclass

from genomelm.errors import UsageError
from genomelm.settings import setting


@dataclass(frozen=True)
class TransformerBackboneConfig:
    """The transformer backbone over patches: the baseline for the others."""

    layers: int = setting(2, "blocks", minimum=1)
    heads: int = setting(4, "attention heads", minimum=1)
    hidden: int = setting(256, "hidden width of the MLP", minimum=8)
    window: int = setting(0, "patches that a patch attends to (masked: on either side); 0: all", minimum=0)
    positions: str = setting(
        "rotary",
        "how attention is told of base coordinates: rotary (where positions.rotary is on); alibi: logits lose with "
        "distance, by a slope of each head; none",
        choices=("rotary", "alibi", "none"),
    )
    mlp: str = setting("swiglu", "gated MLP", choices=("swiglu", "geglu"))
    rezero: bool = setting(False, "what a layer adds is scaled by a learned number that starts at 0")
    classic: bool = setting(
        False, "control: post-norm, added sines, ReLU MLP, all attention weights in memory, nothing kept in decoding"
    )

    def __post_init__(self) -> None:
        fixed = {"window": 0, "positions": "rotary", "mlp": "swiglu", "rezero": False}
        given = next((name for name, default in fixed.items() if getattr(self, name) != default), None)
        if self.classic and given:
            raise UsageError(
                f"backbone.classic fixes what stands in a block, and backbone.{given} is {getattr(self, given)}: "
                "leave one of them out"
            )
