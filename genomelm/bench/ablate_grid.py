"""The ablation grid: one base model, named changes of its settings, equal bases to train on, several seeds."""

import difflib
from dataclasses import dataclass
from typing import Any

from genomelm.bench.model_keys import changed, with_target
from genomelm.bench.patching_grid import STORED, GridConfig, GridGenome
from genomelm.errors import UsageError
from genomelm.models.config import Settings
from genomelm.settings import setting
from genomelm.training.config import TrainConfig

BASE = "base"
"""Name of the base model among the changes."""

PATCHES = ("patches.way", "patches.mean")
"""Keys of a change that say how sequences are cut; all others are the model file's."""

WAYS = ("byte", "fixed_stride", *STORED)


@dataclass(frozen=True)
class Change:
    """One line of the ablation: what differs from the base model, or from the change that it is an alternative to."""

    name: str = setting(help="how the results call it")
    part: str = setting(help="what it ablates, such as layout or positions")
    set: dict[str, Any] = setting(help="dotted keys of the model file, or patches.way and patches.mean -> values")
    removals: bool = setting(False, "also take each part out of the trained model at evaluation")


@dataclass(frozen=True)
class AblateConfig:
    """A file of configs/bench for `genomelm bench ablate`."""

    genome: GridGenome = setting(help="genome that all models are trained on")
    model: str = setting(help="model file of the base; the window is its target length")
    base: dict[str, Any] = setting(help="keys of the base model that differ from its file")
    changes: tuple[Change, ...] = setting(help="lines of the ablation, the most telling first")
    bases: float = setting(help="bases that every model is trained on", minimum=1)
    way: str = setting("entropy", "how the base model's sequences are cut", choices=WAYS)
    mean: int = setting(8, "its mean patch, bases", minimum=1)
    seeds: tuple[int, ...] = setting((1, 2, 3), "seeds of initial weights and data order")
    annotation: str = setting("", "GFF whose codon phases positions.codon reads, relative to the data folder")
    order: int = setting(11, "bases of context that the count model reads", minimum=0)
    speed_batch: int = setting(32, "windows a step where the speed is measured", minimum=1)
    train: TrainConfig = setting(help="window, windows a step and rates of all cells", factory=TrainConfig)

    def __post_init__(self) -> None:
        names = [BASE, *(change.name for change in self.changes)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(f"two models of the grid are called '{twice[0]}': their results would be mixed")
        for cell in cells(self):
            if (cell.way == "byte") != (cell.mean == 1) or cell.way not in WAYS:
                raise UsageError(
                    f"{cell.name}: patches of way '{cell.way}' at a mean of {cell.mean} are not known: choose byte at "
                    f"mean 1, or {', '.join(WAYS[1:])} at a larger one"
                )

    def patching(self) -> GridConfig:
        """Return the grid of patch boundaries that its cells read."""
        cut = {(cell.way, cell.mean) for cell in cells(self)}
        ways = tuple(way for way in WAYS[1:] if way in {way for way, _ in cut})
        means = tuple(sorted({mean for _, mean in cut}))
        return GridConfig((self.genome,), self.model, 1.0, means, ways, (self.seeds[0],), self.order)


@dataclass(frozen=True)
class AblateCell:
    """One model to train: the change's name, from which seed; and how its sequences are cut."""

    name: str
    seed: int
    way: str
    mean: int

    def __str__(self) -> str:
        return f"{self.name} seed {self.seed}"


def cells(config: AblateConfig) -> list[AblateCell]:
    """Return all cells: seed by seed, the base first and then the changes in their order."""
    found = []
    for seed in config.seeds:
        for name in (BASE, *(change.name for change in config.changes)):
            keys = change_of(config, name).set
            way, mean = keys.get("patches.way", config.way), keys.get("patches.mean", config.mean)
            found.append(AblateCell(name, seed, way, mean))
    return found


def find_cell(config: AblateConfig, name: str, seed: int) -> AblateCell:
    """Return the cell of that name and seed.

    Raises:
        UsageError: the grid has no such cell.
    """
    for cell in cells(config):
        if (cell.name, cell.seed) == (name, seed):
            return cell
    known = [BASE, *(change.name for change in config.changes)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{near[0]}'?" if near and name not in known else f"seeds {', '.join(map(str, config.seeds))}"
    raise UsageError(f"the grid has no model '{name}' of seed {seed}: {hint}; models: {', '.join(known)}")


def change_of(config: AblateConfig, name: str) -> Change:
    """Return the change of that name; the base changes nothing, and its parts are taken out too."""
    return next((change for change in config.changes if change.name == name), Change(BASE, BASE, {}, True))


def settings_of(config: AblateConfig, name: str) -> Settings:
    """Return the model of a change: the base's file with its keys and then the change's set; one window long.

    Raises:
        UsageError: a key is unknown or has a value that it cannot have.
    """
    changes = (config.base, change_of(config, name).set)
    return with_target(changed(config.model, changes, f"change '{name}'", PATCHES), config.train.window)
