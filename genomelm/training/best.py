"""Early stopping: the best reading so far, and how long ago it was."""

from collections.abc import Callable, Mapping

import torch

from genomelm.errors import UsageError


class Best:
    """Keeps the weights of the best reading, and says when there was none better for long enough.

    Args:
        patience: readings in a row without improvement that end a run; None: it goes on, and nothing is kept.
        goal: the reading's key to watch, and 1 where more of it is better, -1 where less is.
        state: `facts` of an earlier run, with its weights.

    Attributes:
        weights: of the best reading, on the CPU; None before the first.
    """

    def __init__(
        self,
        patience: int | None,
        goal: tuple[str, int] | None,
        state: Mapping | None = None,
        weights: dict[str, torch.Tensor] | None = None,
    ) -> None:
        self.patience, self.goal, self.weights = patience, goal, weights
        self.value, self.since, self.step = (state or {}).get("best") or (None, 0, 0)

    @property
    def over(self) -> bool:
        """Whether the run should end."""
        return self.patience is not None and self.since >= self.patience

    def take(self, reading: Mapping[str, float], weights: Callable[[], dict[str, torch.Tensor]]) -> None:
        """Take in a reading of the log.

        Args:
            weights: gives the weights that were read, if they are to be kept.

        Raises:
            UsageError: the reading does not have what is watched.
        """
        if self.patience is None:
            return
        if self.goal is None or self.goal[0] not in reading:
            raise UsageError(
                "early_stopping needs held-out readings, and this run has none: give it test regions or validation "
                "examples, or leave early_stopping out"
            )
        name, sign = self.goal
        if self.value is None or sign * reading[name] > sign * self.value:
            self.value, self.since, self.step, self.weights = reading[name], 0, reading["step"], weights()
        else:
            self.since += 1

    def facts(self) -> dict:
        """Return what a checkpoint keeps of it, besides the weights."""
        return {} if self.patience is None else {"best": [self.value, self.since, self.step]}
