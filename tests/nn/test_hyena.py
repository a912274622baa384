import pytest
import torch

from genomelm.nn.fftconv import reference
from genomelm.nn.hyena import HyenaOperator, ImplicitFilter


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_taps_of_the_first_lags_do_not_depend_on_the_length(shift: float) -> None:
    torch.manual_seed(0)
    taps = ImplicitFilter(6, target_length=64, shift=shift)
    longest = taps(1000)
    for length in (1, 2, 63, 64, 65, 999):
        # Three sine layers of frequency 10 magnify the rounding of matrix products of different heights.
        torch.testing.assert_close(taps(length), longest[:length], atol=3e-5, rtol=0)
    assert torch.equal(taps(1000), longest)


def test_taps_decay_over_eight_tokens_to_four_times_the_target() -> None:
    taps = ImplicitFilter(5, target_length=100)
    folds = 1 / taps.decay(torch.device("cpu"))
    torch.testing.assert_close(folds[[0, -1]], torch.tensor([8.0, 400.0]))
    assert (folds.diff() > 0).all()
    assert taps(4000)[:, 0].abs()[400:].max() < 1e-6


def test_taps_are_float32_under_autocast() -> None:
    taps = ImplicitFilter(4, target_length=64)
    expected = taps(50)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(taps(50), expected)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_every_filter_of_an_operator_has_decays_over_the_whole_range(order: int) -> None:
    operator = HyenaOperator(32, order, target_length=256)
    folds = 1 / operator.filter.decay(torch.device("cpu"))
    for n in range(order - 1):  # the channels of the n-th filter, as in `naive`
        assert folds[n :: order - 1].min() < 16
        assert folds[n :: order - 1].max() > 512


def naive(operator: HyenaOperator, x: torch.Tensor) -> torch.Tensor:
    """Equation of the operator with the direct-sum convolution, in float64 after the filters."""
    streams = operator.short(operator.into(x)).double()
    *gates, value = streams.split(x.shape[-1], -1)
    taps = operator.filter(x.shape[1])
    for n in range(operator.order - 1):
        value = value * gates[n + 1]
        value = reference.causal_conv(value, taps[:, n :: operator.order - 1]) + operator.skip[n].double() * value
    return torch.nn.functional.linear(gates[0] * value, operator.out.weight.double())


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 200])
def test_outputs_and_gradients_are_those_of_the_equation(order: int, length: int) -> None:
    torch.manual_seed(order)
    operator = HyenaOperator(8, order, target_length=16)  # 200 is longer than its target
    x = torch.randn(2, length, 8, requires_grad=True)
    wanted = [x, *operator.parameters()]
    upstream = torch.randn(2, length, 8)
    results = []
    for y in (operator(x), naive(operator, x)):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted)))
    for ours, theirs in zip(*results, strict=True):
        scale = theirs.double().pow(2).mean().sqrt()
        assert (ours - theirs).abs().max() <= 5e-5 * scale + 1e-5


@pytest.mark.parametrize("order", [2, 3])
def test_a_later_row_never_reaches_an_earlier_one(order: int) -> None:
    torch.manual_seed(0)
    operator = HyenaOperator(8, order, target_length=16)
    x = torch.randn(1, 40, 8)
    y = operator(x)
    for row in (0, 13, 38):
        other = x.clone()
        other[:, row + 1 :] = torch.randn(1, 39 - row, 8)
        change = (operator(other) - y)[0].abs().amax(-1)
        assert change[: row + 1].max() < 1e-5
        assert change[row + 1 :].min() > 1e-4


def test_a_prefix_alone_is_the_prefix_of_the_whole() -> None:
    torch.manual_seed(0)
    operator = HyenaOperator(8, target_length=16)
    x = torch.randn(1, 300, 8)
    whole = operator(x)
    for length in (1, 31, 64, 299):
        torch.testing.assert_close(operator(x[:, :length]), whole[:, :length], atol=1e-5, rtol=0)
