"""A sequence as letter probabilities, for attribution to differentiate.

The model reads them in place of the letters (GenomeModel.forward(letters=...)): at a one-hot row it reads that letter
exactly, and along one row what it reads is a straight line between letters. Patch boundaries and everything else that
depends on the ids stay those of the hard sequence.
"""

import torch


def letter_weights(x: torch.Tensor) -> torch.Tensor:
    """Append the unknown letter's weight to (l, a): what is missing to 1; a row of zeros is the unknown letter."""
    return torch.cat([x, 1 - x.sum(-1, keepdim=True)], -1)


def letters_of(x: torch.Tensor) -> torch.Tensor:
    """Return the weights (1, l+1, a+1) of BOS (whose own are never read) and of a mixture (l, a); differentiable."""
    return torch.nn.functional.pad(letter_weights(x), (0, 0, 1, 0))[None]
