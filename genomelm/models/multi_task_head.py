"""Several heads on one trunk."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from genomelm.errors import UsageError
from genomelm.models.config import HeadConfig
from genomelm.models.head import Head


class MultiTaskHead(nn.Module):
    """A head a task; the loss is the sum of the tasks' losses, each times its weight.

    Args:
        heads: of each task, by name.
        settings: of each task, by name.
    """

    def __init__(self, heads: Mapping[str, Head], settings: Mapping[str, HeadConfig]) -> None:
        super().__init__()
        self.settings = dict(settings)
        # The prefix keeps names such as 'type' apart from the attributes of modules.
        self.tasks = nn.ModuleDict({f"task_{name}": head for name, head in heads.items()})

    def head(self, task: str) -> Head:
        """Return the head of one task.

        Raises:
            UsageError: there is no such task.
        """
        if task not in self.settings:
            raise UsageError(f"the model has no task '{task}'; its tasks are {', '.join(self.settings)}")
        return self.tasks[f"task_{task}"]

    def forward(
        self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, tasks: Sequence[str], references: int
    ) -> dict[str, torch.Tensor]:
        """Return the outputs of `tasks`, by name; other arguments as of a Head."""
        return {task: self.head(task)(states, ids, mask, **self._pairs(task, references)) for task in tasks}

    def loss(
        self,
        states: torch.Tensor,
        ids: torch.Tensor,
        mask: torch.Tensor | None,
        labels: Mapping[str, torch.Tensor],
        tasks: Sequence[str],
        references: int,
    ) -> torch.Tensor:
        """Return the weighted sum of the losses of `tasks`, a scalar."""
        each = [
            self.settings[task].weight
            * self.head(task).loss(states, ids, mask, labels[task], **self._pairs(task, references))
            for task in tasks
        ]
        return torch.stack(each).sum()

    def chosen(
        self, labels: torch.Tensor | Mapping[str, torch.Tensor] | None, task: str | None
    ) -> tuple[Mapping[str, torch.Tensor] | None, list[str]]:
        """Return the labels by task, and the tasks to run: `task`, else those that have labels, else all.

        Raises:
            UsageError: labels of no task, or none of the task that is to run; or there is no such task.
        """
        names = ", ".join(self.settings)
        if isinstance(labels, torch.Tensor):
            if task is None:
                raise UsageError(f"the labels are of one task: name it ({names}), or give a mapping by task")
            labels = {task: labels}
        if labels is not None and task is not None:
            if task not in labels:
                raise UsageError(f"there are labels of {', '.join(labels) or 'no task'}, but none of task '{task}'")
            labels = {task: labels[task]}
        tasks = list(labels or self.settings) if task is None else [task]
        for name in tasks:
            self.head(name)
        return labels or None, tasks

    def _pairs(self, task: str, references: int) -> dict[str, int]:
        return {"references": references} if self.settings[task].kind == "variant_effect" else {}
