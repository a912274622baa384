"""The plain embedding of bytes, which attribution may hand mixtures of letters in place of ids."""

import torch
from torch import nn


class LetterEmbedding(nn.Embedding):
    """A vector a byte; a mixture of letters has the mean of theirs.

    Args:
        vocabulary: number of ids.
        width: d.
        columns: ids (a+1,) of the letters that a mixture weighs.
    """

    def __init__(self, vocabulary: int, width: int, columns: torch.Tensor) -> None:
        super().__init__(vocabulary, width)
        self.register_buffer("columns", columns, persistent=False)

    def forward(self, ids: torch.Tensor, letters: torch.Tensor | None = None) -> torch.Tensor:
        """Map ids (b, l) int64 to (b, l, d); `letters` (b, l, a+1) are read in their place where those are letters."""
        x = super().forward(ids)
        if letters is None:
            return x
        known = (ids[..., None] == self.columns).any(-1, keepdim=True)
        return torch.where(known, letters.to(x.dtype) @ self.weight[self.columns], x)
