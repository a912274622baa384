"""What a model is made of: frozen dataclasses for the shell, the backbones and the head."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from genomelm.errors import UsageError
from genomelm.models.cnn_config import CNNBackboneConfig, CNNShellConfig
from genomelm.models.transformer_config import TransformerBackboneConfig
from genomelm.seq.alphabet import ALPHABETS
from genomelm.settings import from_mapping, read_yaml, setting

MOST_KMERS = 1 << 24
"""Rows of the largest exact k-mer table."""
MOST_HASHED = 32
"""Letters of the longest hashed k-mer."""


@dataclass(frozen=True)
class ShellConfig:
    """The byte-latent shell that every backbone shares."""

    alphabet: str = setting(
        "dna",
        "letters that the model reads and predicts; mixed: those of each record's own alphabet",
        choices=("dna", "rna", "protein", "mixed"),
    )
    objective: str = setting(
        "causal", "causal: row i predicts base i+1; masked: row i is base i, hidden", choices=("causal", "masked")
    )
    local_width: int = setting(64, "width of byte states", minimum=8)
    local_heads: int = setting(4, "attention heads between bytes and patches", minimum=1)
    local_taps: int = setting(9, "taps of the local convolutions, bases", minimum=1)
    dilation: int = setting(4, "dilation of every second local layer", minimum=1)
    encoder_layers: int = setting(2, "local layers before pooling", minimum=0)
    decoder_layers: int = setting(1, "local layers after reading the patches back", minimum=0)
    kmers: tuple[int, ...] = setting((3, 4, 5), "k of each exact k-mer table (mixed: of DNA and RNA; protein has 2)")
    hashed_kmers: tuple[int, ...] = setting((), "k of each table of hashed k-mers, beyond the exact ones")
    hash_buckets: int = setting(65536, "rows of a table of hashed k-mers", minimum=16, maximum=MOST_KMERS)
    width: int = setting(128, "width of patch states", minimum=8)
    window: int = setting(2, "patches that a byte reads: the newest closed ones; masked: those around it", minimum=1)
    target_length: int = setting(1024, "bases that the model is meant to reach", minimum=1)
    conjoined: bool = setting(False, "masked DNA: outputs are the mean over both strands, each read from its own start")

    def __post_init__(self) -> None:
        if self.local_width % (2 * self.local_heads):
            raise UsageError(
                f"shell.local_width is {self.local_width}, which does not split into {self.local_heads} heads of an "
                f"even width (rotary positions turn pairs of channels): choose a multiple of {2 * self.local_heads}"
            )
        letters = len(ALPHABETS["dna" if self.alphabet == "mixed" else self.alphabet].columns)
        for k in self.kmers:
            if k < 1 or letters**k > MOST_KMERS or self.kmers.count(k) > 1:
                raise UsageError(
                    f"shell.kmers is {list(self.kmers)}: k = {k} would be a table of {letters}**{k} rows; give each k "
                    f"once, from 1 on, with at most {MOST_KMERS:,} rows (DNA: up to 10, protein: up to 5)"
                )
        for k in self.hashed_kmers:
            if not 2 <= k <= MOST_HASHED or self.hashed_kmers.count(k) > 1:
                raise UsageError(
                    f"shell.hashed_kmers is {list(self.hashed_kmers)}: give each k once, from 2 to {MOST_HASHED}"
                )
        if self.conjoined and (self.objective, self.alphabet) != ("masked", "dna"):
            raise UsageError(
                f"shell.conjoined reads both strands of a window, which a {self.objective} model of {self.alphabet} "
                "cannot: set shell.objective to masked and shell.alphabet to dna, or conjoined to false"
            )


@dataclass(frozen=True)
class PositionConfig:
    """How bytes and patches know where they lie. Each part can be switched off by itself."""

    rotary: bool = setting(True, "turn queries and keys of attention by base coordinate")
    distance: bool = setting(True, "bytes: bases since the patch start")
    length: bool = setting(True, "closed patches: log of their length")
    phase: bool = setting(True, "bytes: phase of the coordinate at 3, 8, 10.5, 21 and 147 bases")
    codon: bool = setting(False, "bytes: codon phase, where an annotation gives it")
    sinusoidal: bool = setting(False, "bytes: sines of the coordinate, added (a control for the others)")

    def rotary_base(self, target_length: int) -> float | None:
        """Return the frequency base of rotary angles, at least 4 * bases / (2 pi); None where they are off."""
        return 4.0 * max(target_length, 1024) if self.rotary else None


@dataclass(frozen=True)
class BranchConfig:
    """What genomes add to a language model. Each branch can be switched on by itself."""

    motif: int = setting(0, "motif filters a letter, of 19 taps, tied to reverse complements; 0: none", minimum=0)
    structure: bool = setting(False, "physical properties of neighbouring letters, averaged over the patch")
    conservation: bool = setting(False, "patch states are gated by a track of conservation, where it has values")


@dataclass(frozen=True)
class MergeConfig:
    """Dynamic token merging: blocks that run on fewer, merged patches."""

    where: str = setting(
        "none", "none; span: blocks first..last-1 run on merged patches; each: every block by itself",
        choices=("none", "span", "each"),
    )  # fmt: skip
    first: int = setting(0, "span: first block that runs on merged patches", minimum=0)
    last: int = setting(0, "span: first block after those; 0: to the end", minimum=0)
    mean: float = setting(2.0, "wanted patches in a merged one", minimum=1)
    min: int = setting(1, "fewest patches in a merged one (the record's last may have fewer)", minimum=1)
    max: int = setting(16, "most patches in a merged one", minimum=1)
    taps: int = setting(4, "taps of the pattern detector on the boundary logits; 0: none", minimum=0)
    weight: float = setting(0.03, "weight of the loss that drives the mean to its target", minimum=0)

    def __post_init__(self) -> None:
        if self.where != "span" and (self.first or self.last):
            raise UsageError(
                f"merge.first and merge.last are {self.first} and {self.last}, which only merge.where span heeds; "
                f"it is {self.where}: leave them out, or set merge.where to span"
            )
        if not self.min <= self.mean <= self.max:
            raise UsageError(
                f"merge.mean is {self.mean}, and merged patches have merge.min {self.min} to merge.max {self.max}: "
                "choose min <= mean <= max"
            )


LETTERS = "SMLA"
"""Operators of a layout."""


@dataclass(frozen=True)
class HyenaConfig:
    """The Hyena-GLT backbone over patches."""

    layers: int = setting(2, "blocks", minimum=1)
    layout: str = setting("L", "operators of the blocks, repeated: S short, M medium, L long, A attention")
    order: int = setting(2, "order N of the Hyena operators", minimum=2)
    hidden: int = setting(256, "hidden width of the gated MLP", minimum=8)
    long: str = setting("implicit", "filters of L: implicit, or sums of real poles", choices=("implicit", "modal"))
    poles: int = setting(16, "modal: poles of a channel", minimum=1)
    groups: int = setting(0, "filters that the channels of an operator share; 0: one a channel", minimum=0)
    short_taps: int = setting(7, "taps of S", minimum=1, maximum=7)
    medium_taps: int = setting(64, "taps of M", minimum=1, maximum=128)
    heads: int = setting(4, "heads of A", minimum=1)
    window: int = setting(128, "A: patches that a patch attends to (masked: on either side); 0: all", minimum=0)
    output_gate: bool = setting(False, "operators end in a gate sigmoid(W x)")
    base_distance: bool = setting(False, "L adds a decay over the distance in bases to its filters over patches")

    def __post_init__(self) -> None:
        unknown = next((letter for letter in self.layout if letter not in LETTERS), None)
        if unknown or not self.layout:
            fault = f"has {unknown!r}, which is no operator" if unknown else "names no operator"
            raise UsageError(f"backbone.layout {self.layout!r} {fault}: choose from {', '.join(LETTERS)}")
        if left_out := self.layout[self.layers :]:
            raise UsageError(
                f"backbone.layout {self.layout!r} has {len(self.layout)} operators, and backbone.layers is "
                f"{self.layers}: {left_out} would be left out; set layers to {len(self.layout)} or more"
            )
        if "L" not in self.layout and (self.base_distance or self.long == "modal"):
            given = "base_distance" if self.base_distance else "long: modal"
            raise UsageError(
                f"backbone.{given} is of operator L, which the layout {self.layout!r} has not: "
                "give it an L, or leave the option out"
            )


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
    irregular: bool = setting(False, "S5's step for a patch is proportional to its bases, up to 64")
    blueprint: str = setting(
        "a",
        "a: S5 blocks, then BigBird blocks; b (experimental): BigBird blocks in whose gated MLP the value runs through "
        "an S5 state space",
        choices=("a", "b"),
    )

    def __post_init__(self) -> None:
        if self.s5_blocks_per_layer + self.bigbird_blocks_per_layer == 0:
            raise UsageError(
                "backbone.s5_blocks_per_layer and backbone.bigbird_blocks_per_layer are both 0: set one of them to 1"
            )
        if self.blueprint == "b" and (self.s5_blocks_per_layer != 1 or not self.bigbird_blocks_per_layer):
            raise UsageError(
                "backbone.blueprint b has an S5 in each BigBird block and no other: leave s5_blocks_per_layer at 1, "
                "and set bigbird_blocks_per_layer to 1 or more"
            )


CLASS_ENDINGS = {
    "causal_lm": "ForCausalLM",
    "masked_lm": "ForMaskedLM",
    "sequence_classification": "ForSequenceClassification",
    "token_classification": "ForTokenClassification",
    "regression": "ForRegression",
    "variant_effect": "ForVariantEffect",
    "multi_task": "ForMultiTask",
}
"""Kind of head -> how the names of its classes end."""

HEAD_KINDS = tuple(kind for kind in CLASS_ENDINGS if kind != "multi_task")
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
    window: int = setting(
        0, "bases of the windows, the change in their middle, that variants are read in; 0: as the user asks", minimum=0
    )
    two_strands: bool = setting(False, "a sequence and its reverse complement mean the same; predictions average both")
    mean: float = setting(0.0, "regression: mean of the training labels, added back to the output")
    scale: float = setting(1.0, "regression: standard deviation of the training labels")
    means: tuple[float, ...] = setting((), "regression of several outputs: mean of each, instead of mean")
    scales: tuple[float, ...] = setting((), "regression of several outputs: deviation of each, instead of scale")
    multi_label: bool = setting(
        False, "classification: each output is a yes or no of its own, not one class of several"
    )
    names: tuple[str, ...] = setting((), "names of the outputs; empty: they are numbered")
    per_base: bool = setting(False, "regression: a number a base (a track) instead of a number a sequence")
    weight: float = setting(1.0, "weight of the loss among several tasks", minimum=0)

    def __post_init__(self) -> None:
        if self.per_base and self.kind != "regression":
            raise UsageError(f"head.per_base is of regressions, and the kind is {self.kind}: set it to false")
        if self.multi_label and self.kind != "sequence_classification":
            raise UsageError(f"head.multi_label is of sequence_classification, not of {self.kind}: set it to false")
        for key in ("means", "scales", "names"):
            if (given := len(getattr(self, key))) not in (0, self.outputs):
                raise UsageError(
                    f"head.{key} has {given} entries for {self.outputs} outputs: give one for each, or none"
                )


@dataclass(frozen=True)
class MultiTaskConfig:
    """Several heads on one trunk."""

    kind: str = setting("multi_task", "several tasks", choices=("multi_task",))
    tasks: dict[str, HeadConfig] = setting(factory=dict, help="head of each task, by the task's name")

    def __post_init__(self) -> None:
        if not self.tasks:
            raise UsageError("a multi-task head has no tasks: give head.tasks, from a task's name to its head")
        for name in self.tasks:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
                raise UsageError(f"head.tasks: the name {name!r} is not letters, digits, '-' and '_': choose another")


@dataclass(frozen=True)
class HyenaGLTSettings:
    """A model file of configs/models with family hyena_glt."""

    family: str = setting("hyena_glt", "backbone family", choices=("hyena_glt",))
    shell: ShellConfig = setting(factory=ShellConfig)
    positions: PositionConfig = setting(factory=PositionConfig)
    branches: BranchConfig = setting(factory=BranchConfig)
    merge: MergeConfig = setting(factory=MergeConfig)
    backbone: HyenaConfig = setting(factory=HyenaConfig)
    stride: int = setting(8, "letters a patch where a task trains the model from scratch", minimum=1)


@dataclass(frozen=True)
class GryphonSettings:
    """A model file of configs/models with family gryphon."""

    family: str = setting("gryphon", "backbone family", choices=("gryphon",))
    shell: ShellConfig = setting(factory=ShellConfig)
    positions: PositionConfig = setting(factory=PositionConfig)
    branches: BranchConfig = setting(factory=BranchConfig)
    merge: MergeConfig = setting(factory=MergeConfig)
    backbone: GryphonBackboneConfig = setting(factory=GryphonBackboneConfig)
    stride: int = setting(8, "letters a patch where a task trains the model from scratch", minimum=1)


@dataclass(frozen=True)
class TransformerSettings:
    """A model file of configs/models with family transformer."""

    family: str = setting("transformer", "backbone family", choices=("transformer",))
    shell: ShellConfig = setting(factory=ShellConfig)
    positions: PositionConfig = setting(factory=PositionConfig)
    branches: BranchConfig = setting(factory=BranchConfig)
    merge: MergeConfig = setting(factory=MergeConfig)
    backbone: TransformerBackboneConfig = setting(factory=TransformerBackboneConfig)
    stride: int = setting(8, "letters a patch where a task trains the model from scratch", minimum=1)


@dataclass(frozen=True)
class CNNSettings:
    """A model file of configs/models with family cnn."""

    family: str = setting("cnn", "backbone family", choices=("cnn",))
    shell: CNNShellConfig = setting(factory=CNNShellConfig)
    backbone: CNNBackboneConfig = setting(factory=CNNBackboneConfig)
    stride: ClassVar[int] = 8  # of the patches that every model comes with, and this one does not read


FAMILIES = {
    "hyena_glt": HyenaGLTSettings,
    "gryphon": GryphonSettings,
    "transformer": TransformerSettings,
    "cnn": CNNSettings,
}
"""Family of a model file -> its settings."""

Settings = HyenaGLTSettings | GryphonSettings | TransformerSettings | CNNSettings


def read_model_file(path: str | Path) -> Settings:
    """Read a model file of any family.

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
