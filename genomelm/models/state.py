"""States of a backbone: nested tuples of tensors whose first dimension is the batch, and of what is `Held`."""

from collections.abc import Callable
from typing import Any

import torch

from genomelm.nn.held import Chosen, Held


def mapped(function: Callable[..., Any], *states: Any) -> Any:
    """Apply `function` to the tensors and held parts of states of one structure, which the result has too."""
    first = states[0]
    if isinstance(first, torch.Tensor | Held):
        return function(*states)
    parts = [mapped(function, *same) for same in zip(*states, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)


def tensors(state: Any) -> list[torch.Tensor]:
    """Return the tensors of a state."""
    found: list[torch.Tensor] = []
    mapped(lambda x: found.extend(x.tensors() if isinstance(x, Held) else [x]), state)
    return found


def repeated(state: Any, count: int) -> Any:
    """Return the state of one sequence as that of `count`; nothing that changes is shared with it."""

    def one(x: torch.Tensor | Held) -> torch.Tensor | Held:
        return x.repeated(count) if isinstance(x, Held) else x.expand(count, *x.shape[1:]).clone()

    return mapped(one, state)


def select(state: Any, chosen: Chosen) -> Any:
    """Return the state of some sequences."""
    return mapped(lambda x: x.select(chosen) if isinstance(x, Held) else x[chosen.index], state)


def copies(state: Any, chosen: Chosen) -> Any:
    """Return the state of new sequences that begin as the chosen ones do, of which some may be one."""
    return mapped(lambda x: x.copies(chosen) if isinstance(x, Held) else x[chosen.index], state)


def put(state: Any, chosen: Chosen, part: Any) -> Any:
    """Write the state `part` of some sequences into that of all, and return it."""

    def one(x: torch.Tensor | Held, y: torch.Tensor | Held) -> torch.Tensor | Held:
        return x.put(chosen, y) if isinstance(x, Held) else x.index_copy_(0, chosen.index, y)

    return mapped(one, state, part)
