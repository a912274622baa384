"""Root mean square norm whose weight follows its input's dtype."""

import torch
import torch.nn.functional as F
from torch import nn


class RMSNorm(nn.RMSNorm):
    """x / rms(x) * weight, as torch's; under autocast too by one fused kernel, which wants a single dtype."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., d) to (..., d), same dtype."""
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)
