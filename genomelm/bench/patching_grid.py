"""The patching benchmark's grid: one model trained once for each genome, way to cut it and mean patch length."""

from dataclasses import dataclass

from genomelm.errors import UsageError
from genomelm.settings import setting
from genomelm.training.config import TrainConfig

STORED = ("entropy", "dual_threshold", "optimal")
"""Ways whose boundaries are computed from scores, once, by `prepare`."""

DERIVED = ("fixed_stride", "random", "shifted")
"""Ways that need no scores: the stride, and entropy's boundaries with their lengths permuted, or moved elsewhere."""

READS_AHEAD = ("optimal",)
"""Ways that look at later bytes to place a start: their likelihood has side information."""


@dataclass(frozen=True)
class GridGenome:
    """A genome of the benchmark."""

    name: str = setting(help="how the results call it")
    fasta: str = setting(help="FASTA file, relative to the data folder")
    train: tuple[str, ...] = setting(help="intervals C:a-b (1-based, inclusive) for count model, thresholds, training")
    test: tuple[str, ...] = setting(help="held-out intervals C:a-b")


@dataclass(frozen=True)
class GridConfig:
    """A file of configs/bench for `genomelm bench patching`."""

    genomes: tuple[GridGenome, ...] = setting(help="genomes, each with its own models")
    model: str = setting(help="model file (hyena_glt); the window is its target length")
    flops: float = setting(help="training budget of every cell, floating-point operations", minimum=1)
    means: tuple[int, ...] = setting((1, 4, 8, 16, 32, 64), "mean patch lengths, bases; 1: every base a patch")
    ways: tuple[str, ...] = setting(
        ("fixed_stride", "entropy", "dual_threshold", "optimal", "random", "shifted"),
        "how patches longer than a base are cut",
        choices=(*STORED, *DERIVED),
    )
    seeds: tuple[int, ...] = setting((1,), "seeds of initial weights and data order")
    order: int = setting(11, "bases of context that the count model reads", minimum=0)
    delta: float = setting(0.0, "dual_threshold: nats that the score must rise by")
    shift: int = setting(5000, "shifted: bases by which entropy's boundaries are moved", minimum=1)
    speed_batch: int = setting(32, "windows a step where the speed is measured", minimum=1)
    train: TrainConfig = setting(help="window, windows a step and rates of all cells", factory=TrainConfig)

    def __post_init__(self) -> None:
        if not self.genomes or not self.means or min(self.means) < 1:
            raise UsageError("genomes and means need an entry each, and a mean patch has 1 base or more")
        names = [genome.name for genome in self.genomes]
        if len(set(names)) < len(names):
            raise UsageError(f"two genomes of {', '.join(names)} have one name: their results would be mixed")
        if "entropy" not in self.ways and {"random", "shifted"} & set(self.ways):
            raise UsageError("random and shifted are made from entropy's boundaries: add entropy to ways")


@dataclass(frozen=True)
class Cell:
    """One model to train: its genome, how it is cut, at which mean, from which seed."""

    genome: str
    way: str
    mean: int
    seed: int

    def __str__(self) -> str:
        return f"{self.genome} {self.way} {self.mean} seed {self.seed}"


def cells(config: GridConfig) -> list[Cell]:
    """Return all cells; at mean 1 every way cuts alike, so there is one, `byte`."""
    return [
        Cell(genome.name, way, mean, seed)
        for seed in config.seeds
        for genome in config.genomes
        for mean in config.means
        for way in (config.ways if mean > 1 else ("byte",))
    ]


def find_cell(config: GridConfig, genome: str, way: str, mean: int, seed: int) -> Cell:
    """Return the cell of these names.

    Raises:
        UsageError: the grid has no such cell.
    """
    cell = Cell(genome, way, mean, seed)
    if cell not in cells(config):
        raise UsageError(
            f"the grid has no cell '{cell}': genomes {', '.join(g.name for g in config.genomes)}; ways byte (mean 1), "
            f"{', '.join(config.ways)}; means {', '.join(map(str, config.means))}; "
            f"seeds {', '.join(map(str, config.seeds))}"
        )
    return cell
