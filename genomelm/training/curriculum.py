"""Windows that grow while a model is trained, at as many bases a step."""

from typing import NamedTuple

from genomelm.errors import UsageError
from genomelm.training.config import TrainConfig


class Stage(NamedTuple):
    """A share of the steps.

    Attributes:
        window: bases a window.
        rows: windows a step.
    """

    window: int
    rows: int


def stages_of(config: TrainConfig, grain: int) -> list[Stage]:
    """Return the stages of a run, which have equal shares of its steps.

    Args:
        config: training file.
        grain: bases that the windows of a curriculum are whole multiples of; they are rounded up to that.

    Raises:
        UsageError: a window is longer than all bases of a step.
    """
    if not config.curriculum:
        return [Stage(config.window, config.batch_size)]
    bases = config.batch_size * config.window
    windows = [-(-window // grain) * grain for window in config.curriculum]
    for window in windows:
        if window > bases:
            raise UsageError(
                f"curriculum: a window of {window} bases (a multiple of {grain}) is more than a step has, batch_size "
                f"{config.batch_size} x window {config.window}: raise one of those, or shorten the window"
            )
    return [Stage(window, bases // window) for window in windows]


def stage_at(step: int, steps: int, stages: int) -> int:
    """Return the number of the stage of a step 0..steps-1, a pure function of these."""
    return step * stages // steps


def first_step(stage: int, steps: int, stages: int) -> int:
    """Return the first step of a stage."""
    return -(-stage * steps // stages)
