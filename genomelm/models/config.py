"""What a model is made of: frozen dataclasses for the shell, the backbones and the head."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from genomelm.errors import UsageError
from genomelm.settings import from_mapping, read_yaml, setting


@dataclass(frozen=True)
class ShellConfig:
    """The byte-latent shell that every backbone shares."""

    alphabet: str = setting("dna", "letters that the model reads and predicts", choices=("dna", "rna", "protein"))
    objective: str = setting(
        "causal", "causal: row i predicts base i+1; masked: row i is base i, hidden", choices=("causal", "masked")
    )
    local_width: int = setting(64, "width of byte states", minimum=8)
    local_heads: int = setting(4, "attention heads between bytes and patches", minimum=1)
    local_taps: int = setting(9, "taps of the local convolutions, bases", minimum=1)
    dilation: int = setting(4, "dilation of every second local layer", minimum=1)
    encoder_layers: int = setting(2, "local layers before pooling", minimum=0)
    decoder_layers: int = setting(1, "local layers after reading the patches back", minimum=0)
    kmers: tuple[int, ...] = setting((3, 4, 5), "k of each exact k-mer table")
    width: int = setting(128, "width of patch states", minimum=8)
    window: int = setting(2, "patches that a byte reads: the newest closed ones; masked: those around it", minimum=1)
    target_length: int = setting(1024, "bases that the model is meant to reach", minimum=1)

    def __post_init__(self) -> None:
        if self.local_width % (2 * self.local_heads):
            raise UsageError(
                f"shell.local_width is {self.local_width}, which does not split into {self.local_heads} heads of an "
                f"even width (rotary positions turn pairs of channels): choose a multiple of {2 * self.local_heads}"
            )


@dataclass(frozen=True)
class HyenaConfig:
    """The Hyena-GLT backbone over patches."""

    layers: int = setting(2, "Hyena blocks", minimum=1)
    order: int = setting(2, "order N of the Hyena operator", minimum=2)
    hidden: int = setting(256, "hidden width of the gated MLP", minimum=8)


@dataclass(frozen=True)
class GryphonBackboneConfig:
    """The Gryphon backbone over patches: in each layer S5 blocks, then BigBird blocks."""

    layers: int = setting(2, "layers of S5 and BigBird blocks", minimum=1)
    s5_blocks_per_layer: int = setting(1, "S5 blocks of a layer", minimum=0)
    bigbird_blocks_per_layer: int = setting(1, "BigBird blocks of a layer", minimum=0)
    state: int = setting(64, "real dimensions of the S5 state", minimum=2)
    heads: int = setting(4, "attention heads", minimum=1)
    block: int = setting(16, "patches of an attention block", minimum=1)
    window: int = setting(3, "neighbouring blocks that a block attends to, itself included", minimum=1)
    global_blocks: int = setting(2, "first blocks that every block attends to", minimum=0)
    random_blocks: int = setting(2, "further blocks drawn by a counter hash", minimum=0)
    hidden: int = setting(192, "hidden width of the gated MLP", minimum=8)
    seed: int = setting(0, "seed of the random blocks", minimum=0)


HEAD_KINDS = (
    *("causal_lm", "masked_lm", "sequence_classification", "token_classification", "regression", "variant_effect"),
)
LANGUAGE_HEADS = {"causal": "causal_lm", "masked": "masked_lm"}
"""Objective of the shell -> head of its language model."""


@dataclass(frozen=True)
class HeadConfig:
    """What stands on the byte states."""

    kind: str = setting("causal_lm", "task of the head", choices=HEAD_KINDS)
    outputs: int = setting(1, "classes, or regression targets", minimum=1)
    queries: int = setting(8, "learned queries that pool the byte states beside their mean", minimum=1)
    dropout: float = setting(0.0, "dropout before the last layer", minimum=0, maximum=0.9)
    task: str = setting("", "name of the task, as it appears in VCF tags")
    reference: str = setting("", "sequence whose patches are used for every input of its length; empty: each its own")
    two_strands: bool = setting(False, "a sequence and its reverse complement mean the same; predictions average both")
    mean: float = setting(0.0, "regression: mean of the training labels, added back to the output")
    scale: float = setting(1.0, "regression: standard deviation of the training labels")


@dataclass(frozen=True)
class HyenaGLTSettings:
    """A model file of configs/models with family hyena_glt."""

    family: str = setting("hyena_glt", "backbone family", choices=("hyena_glt",))
    shell: ShellConfig = setting(factory=ShellConfig)
    backbone: HyenaConfig = setting(factory=HyenaConfig)
    stride: int = setting(8, "letters a patch where a task trains the model from scratch", minimum=1)


@dataclass(frozen=True)
class GryphonSettings:
    """A model file of configs/models with family gryphon."""

    family: str = setting("gryphon", "backbone family", choices=("gryphon",))
    shell: ShellConfig = setting(factory=ShellConfig)
    backbone: GryphonBackboneConfig = setting(factory=GryphonBackboneConfig)
    stride: int = setting(8, "letters a patch where a task trains the model from scratch", minimum=1)


FAMILIES = {"hyena_glt": HyenaGLTSettings, "gryphon": GryphonSettings}
"""Family of a model file -> its settings."""

Settings = HyenaGLTSettings | GryphonSettings


def read_model_file(path: str | Path) -> Settings:
    """Read a model file of either family.

    Raises:
        UsageError: the file is missing or not YAML, the family is unknown, or there are faults (all named at once).
    """
    value = read_yaml(path)
    family = value.get("family") if isinstance(value, dict) else None
    if not isinstance(family, str) or family not in FAMILIES:
        near = difflib.get_close_matches(str(family), FAMILIES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose {' or '.join(FAMILIES)}"
        raise UsageError(f"{path}: family: {family!r} is unknown; {hint}")
    return from_mapping(FAMILIES[family], value, source=str(path))


FORMAT_VERSION = 1
