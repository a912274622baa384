"""The Triton form of the short convolution, on a CUDA device."""

import pytest
import torch

from genomelm.nn.shortconv import depthwise, path_of
from genomelm.nn.shortconv.convolution import by_rows

pytestmark = pytest.mark.gpu

SHAPES = [
    *((1, 1, 1, 1, 1), (2, 1, 5, 3, 1), (3, 63, 60, 9, 4), (2, 65, 128, 9, 4), (2, 127, 33, 7, 1), (2, 129, 64, 7, 1)),
    *((1, 1000, 70, 128, 1), (2, 2049, 40, 5, 3)),
]
"""b, p, d, k, dilation."""


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_and_gradients_are_those_of_float64(shape: tuple[int, ...], centred: bool) -> None:
    b, p, d, k, dilation = shape
    torch.manual_seed(0)
    ahead = dilation * ((k - 1) // 2) if centred else 0
    back = dilation * (k - 1) - ahead
    x, weight, bias = torch.randn(b, p, d), torch.randn(d, 1, 1, k), torch.randn(d)
    upstream = torch.randn(b, p, d)
    inputs = [part.cuda().requires_grad_() for part in (x, weight, bias)]
    exact = [part.double().requires_grad_() for part in (x, weight, bias)]
    assert path_of(inputs[0]) == "triton"
    y = depthwise(*inputs, back, ahead, dilation)
    twin = by_rows(torch.nn.functional.pad(exact[0], (0, 0, back, ahead)), *exact[1:], dilation)
    found = (y, *torch.autograd.grad((y * upstream.cuda()).sum(), inputs))
    wanted = (twin, *torch.autograd.grad((twin * upstream.double()).sum(), exact))
    for ours, theirs in zip(found, wanted, strict=True):
        scale = theirs.square().mean().sqrt()
        assert (ours.double().cpu() - theirs).abs().max() <= 2e-5 * scale


def test_without_zeros_around_it_is_shorter() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2, 50, 20), torch.randn(20, 1, 1, 7)
    y = depthwise(x.cuda(), weight.cuda(), None, 0, 0)
    torch.testing.assert_close(y.cpu(), by_rows(x, weight, None, 1), atol=1e-5, rtol=1e-5)


def test_bf16_sums_in_float32() -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 300, 64), torch.randn(64, 1, 1, 64), torch.randn(64)
    rough = [part.bfloat16() for part in (x, weight, bias)]
    y = depthwise(*(part.cuda() for part in rough), 63, 0)
    exact = by_rows(torch.nn.functional.pad(rough[0].double(), (0, 0, 63, 0)), *(r.double() for r in rough[1:]), 1)
    assert y.dtype == torch.bfloat16
    assert (y.double().cpu() - exact).abs().max() <= 2**-8 * exact.abs().max()  # the rounding of the result alone


def test_the_filters_gradient_is_the_same_each_time() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 5000, 96, device="cuda"), torch.randn(96, 1, 1, 9, device="cuda", requires_grad=True)
    first, second = (torch.autograd.grad(depthwise(x, weight, None, 8, 0).square().sum(), weight)[0] for _ in range(2))
    assert torch.equal(first, second)
