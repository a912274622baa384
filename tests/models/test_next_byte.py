"""The norm that single further bytes are read by, which is worked out in another way than in one pass."""

import pytest
import torch

from genomelm.models.next_byte import _Norm
from genomelm.nn.norm import RMSNorm


@pytest.mark.parametrize("eps", [None, 1e-3])
@pytest.mark.parametrize("size", [0, 1e-6, 1e-3, 1, 1e9])
def test_the_norm_is_the_modules_near_zero_too(eps: float | None, size: float) -> None:
    torch.manual_seed(0)
    module = RMSNorm(24, eps=eps).requires_grad_(False)
    module.weight.normal_()
    x = size * torch.randn(5, 24)
    norm = _Norm(module)
    torch.testing.assert_close(norm.scaled(x) * norm.weight, module(x), rtol=2e-6, atol=0)
