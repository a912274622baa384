"""Plain readings of the rules, to time and to check the fast ones against.

`published` cuts as the Byte Latent Transformer's paper (arXiv:2412.09871) describes and as its program's outputs
show, the way such a program is written: whole-tensor comparisons, and a Python loop where patches have a longest
length. The others are the definitions of greedy and optimal mode, one position after another.
"""

import torch

QUIRKS = 4
"""Tokens whose starts the published rule settles by itself in some mode."""


def published(
    entropies: torch.Tensor, threshold: float | None = None, rise: float | None = None, longest: int | None = None
) -> torch.Tensor:
    """Return patch lengths int64 (p,) of one sequence.

    Args:
        entropies: float32 (l,), nats; entropies[i] follows token i.
        threshold: start where the entropy before a token is above it; None: only its rise counts.
        rise: start where the entropy rises by more than this; None: only the threshold counts.
        longest: tokens of the longest patch.
    """
    before = entropies[1:-1]
    starts = torch.ones_like(before, dtype=torch.bool)
    if threshold is not None:
        starts &= before > threshold
    if rise is not None:
        starts[1:] &= before[1:] - before[:-1] > rise
        starts[:1] = True
        if threshold is not None:
            starts[1:2] = False
    found = torch.cat([torch.tensor([0, 1]), starts.nonzero()[:, 0] + 2, torch.tensor([len(entropies)])])
    lengths = found.diff()
    if longest is None:
        return lengths
    short: list[int] = []
    for length in lengths.tolist():
        while length > longest:
            short.append(longest)
            length -= longest
        short.append(length)
    return torch.tensor(short)


def greedy(g: list[int], budget: int, longest: int) -> list[int]:
    """Return the starts of greedy mode: a patch starts where the sum since the last start reaches the budget."""
    starts, spent = [0], 0
    for k in range(1, len(g)):
        spent += g[k]
        if spent >= budget or k - starts[-1] == longest:
            starts.append(k)
            spent = 0
    return starts


def optimal_value(g: list[int], price: int, least: int, most: int, penalties: tuple[int, ...] | None) -> int:
    """Return the value that optimal mode maximises, by the recursion that defines it; the last patch may be short."""
    costs = penalties or (0,) * (most + 1)
    best = [0] * len(g)
    for k in range(len(g) - 1, -1, -1):
        left = len(g) - k
        choices = [-costs[left]] if left <= most else []
        choices += [g[k + n] - price - costs[n] + best[k + n] for n in range(least, min(most, left - 1) + 1)]
        best[k] = max(choices)
    return best[0]
