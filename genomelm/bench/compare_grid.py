"""The comparison of the families: models of equal parameters, equal operations to train on, several tasks and seeds."""

import difflib
from dataclasses import dataclass
from typing import Any

from genomelm.bench.patching_grid import STORED, GridConfig, GridGenome
from genomelm.errors import UsageError
from genomelm.settings import setting
from genomelm.training.config import TrainConfig

WAYS = ("fixed_stride", *STORED)
PARTS = ("language", "recall", "enhancer", "control", "depth", "speed", "control_speed")
"""Parts of the grid."""
TRAINED = PARTS[:5]
"""Parts that train models; the others measure with the device to themselves."""
KEYS = ("part", "model", "size", "seed")
"""What names a row."""
CONTROLS = ("transformer", "classic")
"""Models of the parts control, depth and control_speed."""


@dataclass(frozen=True)
class CompareModel:
    """One of the models that are compared."""

    name: str = setting(help="how the results call it")
    file: str = setting(help="model file")
    set: dict[str, Any] = setting(factory=dict, help="dotted keys of the file -> values")


@dataclass(frozen=True)
class LanguagePart:
    """Held-out bits per base of the genome."""

    flops: float = setting(help="training budget of every model, floating-point operations", minimum=1)
    windows: tuple[int, ...] = setting((1024, 8192, 32768), "bases a window, each with models of its own")
    step_bases: int = setting(32768, "bases a step", minimum=16)
    learning_rate: float = setting(3e-3, "peak learning rate", minimum=0)
    latent_rate: float = setting(0.25, "rate of the path through patches, as a share of it", minimum=0)


@dataclass(frozen=True)
class RecallPart:
    """Associative recall: keys with values at random offsets of random DNA; a key's value is asked for again."""

    flops: tuple[float, ...] = setting(help="training budget of every model, operations, one for each of means")
    means: tuple[int, ...] = setting((1, 8), "bases of a patch (fixed stride), each with models of its own")
    lengths: tuple[int, ...] = setting((1024, 2048, 4096, 8192), "bases of the held-out sequences")
    warm_up: tuple[int, ...] = setting((), "shorter sequences that training begins with; equal shares for each entry")
    key: int = setting(12, "bases of a key", minimum=1)
    value: int = setting(4, "bases of a value", minimum=1)
    pairs: int = setting(12, "keys of a sequence", minimum=1)
    queries: int = setting(3, "times that each is asked for", minimum=1)
    tests: int = setting(256, "held-out sequences of each length", minimum=2)
    step_bases: int = setting(16384, "bases a step", minimum=16)
    learning_rate: float = setting(3e-3, "peak learning rate", minimum=0)
    latent_rate: float = setting(1.0, "rate of the path through patches, as a share of it", minimum=0)

    def __post_init__(self) -> None:
        needed = self.pairs * (1 + self.queries) * (self.key + self.value)
        if len(self.flops) != len(self.means) or not self.means or min(self.flops) < 1 or min(self.means) < 1:
            raise UsageError("recall.means and recall.flops need an entry each for every mean patch, both of 1 or more")
        if not self.lengths or min((*self.warm_up, *self.lengths)) < needed:
            raise UsageError(
                f"recall.lengths is {list(self.lengths)}, and {self.pairs} keys of {self.key} bases with values of "
                f"{self.value}, {1 + self.queries} times each, fill {needed}: give lengths of that or more"
            )
        if 4**self.key < 4 * self.pairs:
            raise UsageError(f"recall.key is {self.key}: there are not {self.pairs} different keys; make it longer")


@dataclass(frozen=True)
class EnhancerPart:
    """A planted enhancer and promoters: the label at a promoter is set by the kinds of both."""

    flops: float = setting(help="training budget of every model, floating-point operations", minimum=1)
    lengths: tuple[int, ...] = setting((16384, 65536, 131072), "bases of the held-out sequences")
    warm_up: tuple[int, ...] = setting(
        (1024, 4096), "shorter sequences that training begins with; equal shares for each entry"
    )
    near: int = setting(10_000, "least distance of enhancer and promoters, bases", minimum=1)
    far: int = setting(100_000, "greatest distance of enhancer and first promoter, bases", minimum=1)
    motif: int = setting(20, "bases of a site", minimum=4)
    promoters: int = setting(4, "promoters of a sequence, a label each", minimum=1)
    spacing: int = setting(64, "bases in which each promoter lies somewhere", minimum=4)
    told: int = setting(16, "places behind the enhancer where training tells its kind", minimum=0)
    tests: int = setting(128, "held-out sequences of each length", minimum=2)
    step_bases: int = setting(65536, "bases a step, or one sequence where that is longer", minimum=16)
    learning_rate: float = setting(3e-3, "peak learning rate", minimum=0)
    latent_rate: float = setting(1.0, "rate of the path through patches, as a share of it", minimum=0)

    def __post_init__(self) -> None:
        if self.spacing < self.motif + 8:
            raise UsageError(
                f"enhancer.spacing is {self.spacing}, and a site has {self.motif} bases, with its label 8 bases behind "
                "it: make it longer"
            )
        shortest = self.promoters * self.spacing + 16 * self.motif
        if not self.lengths or min((*self.warm_up, *self.lengths)) < shortest:
            raise UsageError(
                f"enhancer.lengths and warm_up need an entry each, of {shortest} bases or more: {self.promoters} "
                f"promoters take {self.spacing} each, and an eighth of the rest must hold two sites"
            )


@dataclass(frozen=True)
class ControlPart:
    """The transformer against its classic form: speed, memory, depth, perplexity."""

    model: str = setting(help="model file of family transformer")
    set: dict[str, Any] = setting(factory=dict, help="dotted keys of the file -> values, of both")
    classic: dict[str, Any] = setting(factory=dict, help="further keys of the classic form")
    depth: dict[str, Any] = setting(factory=dict, help="further keys of both where their depth is tried")
    classic_depth: dict[str, Any] = setting(factory=dict, help="further keys of the classic form there")
    steps: int = setting(300, "training steps of both", minimum=2)
    depth_steps: int = setting(200, "training steps where the depth is tried", minimum=2)
    window: int = setting(2048, "bases a window in training", minimum=16)
    step_bases: int = setting(16384, "bases a step in training", minimum=16)
    lengths: tuple[int, ...] = setting((4096, 16384, 32768), "bases a window where the speed is measured")
    speed_bases: int = setting(65536, "bases a step where the speed is measured", minimum=16)
    learning_rate: float = setting(3e-3, "peak learning rate", minimum=0)
    latent_rate: float = setting(0.25, "rate of the path through patches, as a share of it", minimum=0)


@dataclass(frozen=True)
class CompareConfig:
    """A file of configs/bench for `genomelm bench compare`."""

    genome: GridGenome = setting(help="genome of the parts language, control and depth")
    models: tuple[CompareModel, ...] = setting(help="what is compared, the one that the text is about first")
    language: LanguagePart = setting(help="bits per base")
    recall: RecallPart = setting(help="associative recall")
    enhancer: EnhancerPart = setting(help="an enhancer far from its promoters")
    control: ControlPart = setting(help="the transformer against its classic form")
    seeds: tuple[int, ...] = setting((1, 2), "seeds of initial weights and data order")
    way: str = setting("fixed_stride", "how the genome is cut", choices=WAYS)
    mean: int = setting(8, "mean patch of genome and enhancer sequences, bases", minimum=2)
    order: int = setting(11, "bases of context that the count model reads", minimum=0)
    precision: str = setting("bf16", "of training: float32, or bf16 by autocast", choices=("float32", "bf16"))

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        if len(names) < 2 or len(set(names)) < len(names):
            raise UsageError(f"models are {', '.join(names) or 'none'}: give two or more of different names")
        if not self.language.windows or not self.control.lengths or not self.seeds:
            raise UsageError("language.windows, control.lengths and seeds need an entry each")

    def patching(self) -> GridConfig:
        """Return the grid of patch boundaries that its cells read."""
        return GridConfig((self.genome,), "", 1.0, (self.mean,), (self.way,), (self.seeds[0],), self.order)


@dataclass(frozen=True)
class CompareCell:
    """One result: its part, the model, what it reads, from which seed.

    Attributes:
        size: language, control, depth and speeds: bases of a window; recall: bases of a patch; enhancer: bases of the
            longest sequence.
    """

    part: str
    model: str
    size: int
    seed: int

    def __str__(self) -> str:
        return f"{self.part} {self.model} {self.size} seed {self.seed}"


def cells(config: CompareConfig) -> list[CompareCell]:
    """Return all cells, seed by seed, the longest and most telling first; speeds and depth are of one seed."""
    found = []
    names = [model.name for model in config.models]
    for seed in config.seeds:
        sizes = [("recall", config.recall.means[0]), ("enhancer", max(config.enhancer.lengths))]
        found += [CompareCell(part, name, size, seed) for part, size in sizes for name in names]
        if seed == config.seeds[0]:
            found += [CompareCell("depth", name, config.control.window, seed) for name in CONTROLS]
        sizes = [("language", window) for window in config.language.windows]
        sizes += [("recall", mean) for mean in config.recall.means[1:]]
        found += [CompareCell(part, name, size, seed) for part, size in sizes for name in names]
        found += [CompareCell("control", name, config.control.window, seed) for name in CONTROLS]
    first = config.seeds[0]
    found += [CompareCell("speed", name, window, first) for window in config.language.windows for name in names]
    lengths = config.control.lengths
    return found + [CompareCell("control_speed", name, length, first) for length in lengths for name in CONTROLS]


def find_cell(config: CompareConfig, part: str, model: str, size: int, seed: int) -> CompareCell:
    """Return the cell of these names.

    Raises:
        UsageError: the grid has no such cell.
    """
    cell, known = CompareCell(part, model, size, seed), cells(config)
    if cell in known:
        return cell
    if part not in PARTS:
        near = difflib.get_close_matches(part, PARTS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"parts: {', '.join(PARTS)}"
        raise UsageError(f"the grid has no part '{part}': {hint}")
    here = [each for each in known if each.part == part]
    raise UsageError(
        f"the grid has no cell '{cell}': models {', '.join(dict.fromkeys(each.model for each in here))}; sizes "
        f"{', '.join(map(str, dict.fromkeys(each.size for each in here)))}; seeds "
        f"{', '.join(map(str, dict.fromkeys(each.seed for each in here)))}"
    )


def rates(part: LanguagePart | RecallPart | EnhancerPart | ControlPart) -> TrainConfig:
    """Return the optimizer's settings of a part: warm-up over a tenth of the training, cosine to a twentieth."""
    return TrainConfig(learning_rate=part.learning_rate, latent_rate=part.latent_rate, warmup=0.1, final_rate=0.05)
