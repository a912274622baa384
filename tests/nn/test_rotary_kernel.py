"""The Triton form of the rotation, on a CUDA device."""

import pytest
import torch

from genomelm.nn.positions import turn_of
from genomelm.nn.rotary import path_of, turned

pytestmark = pytest.mark.gpu

SHAPES = [((1, 1, 1, 2), 1), ((2, 63, 3, 10), 1), ((2, 65, 4, 16), 2), ((3, 129, 8, 64), 1), ((2, 1000, 1, 256), 2)]
"""Shape of x, and dimensions of its places."""


@pytest.mark.parametrize(("shape", "dimensions"), SHAPES)
def test_outputs_and_gradients_are_those_of_plain_torch(shape: tuple[int, ...], dimensions: int) -> None:
    torch.manual_seed(0)
    places = torch.randint(0, 10**9, shape[2 - dimensions : 2])
    angles = turn_of(places, shape[-1] // 2, 4096.0)
    x, upstream = torch.randn(shape, requires_grad=True), torch.randn(shape)
    here, there = x.detach().cuda().requires_grad_(), tuple(part.cuda() for part in angles)
    assert path_of(here, there[0]) == "triton"
    assert path_of(x, angles[0]) == "torch"
    ours, theirs = turned(here, *there), turned(x, *angles)
    torch.testing.assert_close(ours.cpu(), theirs, atol=2e-6, rtol=0)
    (of_ours,) = torch.autograd.grad((ours * upstream.cuda()).sum(), here)
    (of_theirs,) = torch.autograd.grad((theirs * upstream).sum(), x)
    torch.testing.assert_close(of_ours.cpu(), of_theirs, atol=2e-6, rtol=0)


def test_bf16_is_turned_in_float32_and_need_not_lie_in_a_row() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 300, 6, 32).bfloat16()
    angles = turn_of(torch.arange(300), 16, 4096.0)
    y = turned(x.cuda()[:, :, :4], *(part.cuda() for part in angles))
    torch.testing.assert_close(y.cpu(), turned(x[:, :, :4], *angles), atol=2**-7, rtol=2**-7)


def test_broadcast_angles_take_the_plain_form() -> None:
    x, angles = torch.randn(2, 5, 2, 8, device="cuda"), turn_of(torch.arange(5, device="cuda")[None], 4, 4096.0)
    assert path_of(x, angles[0]) == "torch"
    torch.testing.assert_close(turned(x, *angles), turned(x, *(part[0] for part in angles)))
