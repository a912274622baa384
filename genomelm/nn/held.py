"""Parts of a decoding state that are more than tensors of one row a sequence."""

import abc
from typing import Any, NamedTuple

import numpy as np
import torch


class Chosen(NamedTuple):
    """Some of the sequences of a state, each once.

    Attributes:
        numbers: (r,) int64.
        index: the same on the state's device.
    """

    numbers: np.ndarray
    index: torch.Tensor


class Held(abc.ABC):
    """A part of a state that knows itself how sequences are taken out of it and put back."""

    @abc.abstractmethod
    def repeated(self, count: int) -> "Held":
        """Return the part of `count` sequences that begin as its only one does; nothing that changes is shared."""

    @abc.abstractmethod
    def select(self, chosen: Chosen) -> "Held":
        """Return the part of some of its sequences."""

    @abc.abstractmethod
    def copies(self, chosen: Chosen) -> "Held":
        """Return the part of new sequences that begin as the chosen ones do, of which some may be one; they share
        nothing that changes."""

    @abc.abstractmethod
    def put(self, chosen: Chosen, part: "Held") -> "Held":
        """Return itself after `part` of some of its sequences has gone on."""

    @abc.abstractmethod
    def tensors(self) -> list[torch.Tensor]:
        """Return what it keeps of the sequences."""


class Shared(Held):
    """What all sequences share and nothing changes, such as numbers worked out of an operator's weights.

    Attributes:
        value: tensors.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def repeated(self, count: int) -> "Shared":
        """Return itself."""
        return self

    def select(self, chosen: Chosen) -> "Shared":
        """Return itself."""
        return self

    def copies(self, chosen: Chosen) -> "Shared":
        """Return itself."""
        return self

    def put(self, chosen: Chosen, part: "Shared") -> "Shared":
        """Return the newer one."""
        return part

    def tensors(self) -> list[torch.Tensor]:
        """Return none: nothing of it grows."""
        return []
