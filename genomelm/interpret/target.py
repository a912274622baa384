"""Which of a model's outputs is explained: one number a sequence."""

import dataclasses

import numpy as np
import torch

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel


@dataclasses.dataclass(frozen=True)
class Target:
    """One output of a head.

    Attributes:
        name: of the output, or of what a language model gives.
        index: its column.
        exclusive: whether the outputs are logits of classes of which one holds: then the number is the log-odds of
            the class against all others, of two classes the difference of their logits.
    """

    name: str
    index: int = 0
    exclusive: bool = False

    def of(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return (...) from a head's outputs (..., n)."""
        chosen = outputs[..., self.index]
        if not self.exclusive:
            return chosen
        others = torch.cat([outputs[..., : self.index], outputs[..., self.index + 1 :]], -1)
        return chosen - torch.logsumexp(others, -1)

    def values(self, outputs: list[np.ndarray]) -> np.ndarray:
        """Return float64 (n,) from n outputs (m,) each."""
        return self.of(torch.from_numpy(np.stack(outputs).astype(np.float64))).numpy()


def choose_target(model: GenomeModel, wanted: str | None = None) -> Target:
    """Return the output that is explained.

    Args:
        wanted: name or number (from 0) of one of several outputs; None: the only one, or the second of two classes.

    Raises:
        UsageError: there is no such output, or None of several; the head labels bases, or there are several tasks.
    """
    if model.is_language_model:
        if wanted is not None:
            raise UsageError(f"--output {wanted}: a language model has one score, its likelihood; leave it out")
        return Target("log-likelihood" if model.head_kind == "causal_lm" else "log-likelihood ratio")
    model.for_task(None)
    if model.gives_bases:
        raise UsageError(
            "the model labels bases, or gives them values, but a sequence no single score: use `genomelm predict` (or "
            "genomelm.predict) for them, and a language, regression or variant-effect model for attributions"
        )
    head = model.config.head
    count, classes = head["outputs"], model.head_kind == "sequence_classification"
    exclusive = classes and count > 1 and not head["multi_label"]
    names = list(head["names"]) or [str(number) for number in range(count)]
    if wanted is None:
        if count > (2 if exclusive else 1):
            raise UsageError(f"the model has {count} outputs ({_listed(names)}): choose one, by --output")
        index = count - 1
    elif wanted in names:
        index = names.index(wanted)
    elif wanted.isdecimal() and int(wanted) < count:
        index = int(wanted)
    else:
        raise UsageError(f"the model has no output '{wanted}'; it has {_listed(names)}, or a number from 0 on")
    return Target(names[index] if count > 1 or head["names"] else head["task"] or "value", index, exclusive)


def unit_of(model: GenomeModel, target: Target) -> str:
    """Return the unit of the scores that are explained."""
    if model.is_language_model:
        return "nats"
    if model.head_kind == "sequence_classification":
        return "log-odds" if target.exclusive and model.config.head["outputs"] > 2 else "logit"
    return f"{model.config.head['task']} label".strip()


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
