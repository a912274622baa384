"""States of a backbone: nested tuples of tensors.

The first dimension of a tensor is the batch. Two kinds of tensors have none: one without rows, and, in the state of a
single sequence, what all sequences would share.
"""

from collections.abc import Callable
from typing import Any

import torch


def mapped(function: Callable[..., torch.Tensor], *states: Any) -> Any:
    """Apply `function` to the tensors of states of one structure, which the result has too."""
    first = states[0]
    if isinstance(first, torch.Tensor):
        return function(*states)
    parts = [mapped(function, *same) for same in zip(*states, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)


def repeated(state: Any, count: int) -> Any:
    """Return the state of one sequence as that of `count`; nothing is shared with it."""
    alone = count == 1
    return mapped(lambda x: x.clone() if alone or not len(x) else x.expand(count, *x.shape[1:]).clone(), state)


def select(state: Any, rows: torch.Tensor) -> Any:
    """Return the state of some sequences, int64 (r,)."""
    return mapped(lambda x: x[rows] if len(x) else x, state)


def put(state: Any, rows: torch.Tensor, part: Any) -> Any:
    """Write the state `part` of some sequences, int64 (r,), into that of all, and return it."""
    return mapped(lambda x, y: x.index_copy_(0, rows, y) if len(x) else x, state, part)
