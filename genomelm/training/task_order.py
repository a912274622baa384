"""Which task a step is of, where several are trained on one trunk."""

from collections.abc import Sequence

import numpy as np

from genomelm.errors import UsageError
from genomelm.runtime import counter_seed


class TaskOrder:
    """The task of each step, and how many steps it had before: a pure function of (seed, step).

    Args:
        order: alternate, one after another; draw, by chances in proportion to the weights.
        weights: of the tasks, (n,).
        steps: of the whole run.
        seed: of the draws.

    Raises:
        UsageError: no task can be drawn.
    """

    def __init__(self, order: str, weights: Sequence[float], steps: int, seed: int) -> None:
        if order == "draw" and not sum(weights) > 0:
            raise UsageError("task_order is draw, and all tasks have the weight 0: give one of them a weight")
        if order == "alternate":
            self.tasks = np.arange(steps) % len(weights)
        else:
            chances = np.array(weights) / sum(weights)
            self.tasks = np.random.default_rng(counter_seed("tasks", seed)).choice(len(weights), steps, p=chances)
        earlier = np.zeros(len(weights), np.int64)
        self.numbers = np.zeros(steps, np.int64)
        for step, task in enumerate(self.tasks):
            self.numbers[step] = earlier[task]
            earlier[task] += 1

    def at(self, step: int) -> tuple[int, int]:
        """Return the number of a step's task, and how many steps it had before."""
        return int(self.tasks[step]), int(self.numbers[step])
