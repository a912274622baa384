"""Feed-forward layers."""

import torch
import torch.nn.functional as F
from torch import nn

GATES = {"swiglu": F.silu, "geglu": F.gelu}
"""Name of a gated MLP -> what its gate goes through."""


class GatedMLP(nn.Module):
    """SwiGLU: down(silu(gate(x)) * up(x)), or GeGLU: with gelu in place of silu (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, width: int, hidden: int, kind: str = "swiglu") -> None:
        super().__init__()
        self.gate = GATES[kind]
        self.up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., d) to (..., d)."""
        gate, value = self.up(x).chunk(2, -1)
        return self.down(self.gate(gate) * value)


class ReluMLP(nn.Module):
    """down(relu(up(x))), with biases (Vaswani et al. 2017, arXiv:1706.03762)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., d) to (..., d)."""
        return self.down(F.relu(self.up(x)))
