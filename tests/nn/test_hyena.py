import pytest
import torch

from genomelm.nn.fftconv import reference
from genomelm.nn.hyena import HyenaOperator, ImplicitFilter
from genomelm.nn.rows import Rows


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


def naive_both(operator: HyenaOperator, x: torch.Tensor) -> torch.Tensor:
    """As `naive`, with the direct sums over both sides and the short convolutions in float64."""
    streams = operator.into(x).double()
    weight, bias = operator.short.weight.double()[:, 0, 0], operator.short.bias.double()
    padded = torch.nn.functional.pad(streams, (0, 0, 1, 1))
    streams = bias + sum(weight[:, tap] * padded[:, tap : tap + x.shape[1]] for tap in range(3))
    *gates, value = streams.split(x.shape[-1], -1)
    taps, back_taps = operator.filter(x.shape[1]), operator.ahead["filter"](x.shape[1])
    for n in range(operator.order - 1):
        own = slice(n, None, operator.order - 1)
        value = value * gates[n + 1]
        mixed = reference.two_sided_conv(value, taps[:, own], back_taps[:, own])
        value = mixed + operator.skip[n].double() * value
    return torch.nn.functional.linear(gates[0] * value, operator.out.weight.double())


@pytest.mark.parametrize("order", [2, 3, 4])
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 200])
def test_bidirectional_outputs_and_gradients_are_those_of_the_equation(order: int, length: int) -> None:
    torch.manual_seed(order)
    operator = HyenaOperator(8, order, target_length=16, bidirectional=True)
    x = torch.randn(2, length, 8, requires_grad=True)
    wanted = [x, *operator.parameters()]
    upstream = torch.randn(2, length, 8)
    results = []
    for y in (operator(x), naive_both(operator, x)):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted, materialize_grads=True)))
    for ours, theirs in zip(*results, strict=True):
        scale = theirs.double().pow(2).mean().sqrt()
        assert (ours - theirs).abs().max() <= 5e-5 * scale + 1e-5


@pytest.mark.parametrize("order", [2, 3])
def test_a_padded_row_of_the_bidirectional_form_is_the_row_alone(order: int) -> None:
    torch.manual_seed(0)
    operator = HyenaOperator(8, order, target_length=16, bidirectional=True)
    torch.nn.init.normal_(operator.short.bias)  # padding is not zero after the short convolution
    lengths = [1, 2, 33, 90]
    present = torch.arange(100) < torch.tensor(lengths)[:, None]
    x = torch.randn(4, 100, 8).masked_fill(~present[..., None], 50.0).requires_grad_()
    y = operator(x, Rows(present.cumsum(1) - 1, present.long()))
    for row, length in enumerate(lengths):
        alone = operator(x[row : row + 1, :length].detach())[0]
        assert (y[row, :length] - alone).abs().max() < 1e-5 * (1 + alone.abs().max())
    assert torch.autograd.grad(y[present].sum(), x)[0][~present].abs().sum() == 0


def test_a_bidirectional_row_reads_rows_on_both_sides_and_no_others_more() -> None:
    torch.manual_seed(0)
    operator = HyenaOperator(8, target_length=64, bidirectional=True)
    x = torch.randn(1, 40, 8, requires_grad=True)
    reach = torch.autograd.grad(operator(x)[0, 17].sum(), x)[0][0].abs().amax(-1)
    assert reach.min() > 1e-4


def test_equal_filters_and_mirrored_short_taps_mirror_the_mirror_of_the_rows() -> None:
    torch.manual_seed(0)
    operator = HyenaOperator(8, 3, target_length=16, bidirectional=True)
    operator.ahead["filter"].load_state_dict(operator.filter.state_dict())
    with torch.no_grad():
        operator.short.weight[..., 0] = operator.short.weight[..., 2]
        x = torch.randn(2, 75, 8)
        torch.testing.assert_close(operator(x.flip(1)).flip(1), operator(x), atol=1e-5, rtol=0)


def test_the_causal_form_has_one_filter_and_real_rows_do_not_hear_of_padding() -> None:
    torch.manual_seed(0)
    operator = HyenaOperator(8, target_length=16)
    layers = [f"layers.{n}.{kind}" for n in range(3) for kind in ("weight", "bias")]
    filters = {f"filter.{name}" for name in ("frequency", "out.weight", *layers)}
    assert set(operator.state_dict()) == {"into.weight", "short.weight", "short.bias", "skip", "out.weight"} | filters
    x, present = torch.randn(2, 50, 8), torch.arange(50) < torch.tensor([[50], [20]])
    rows = Rows(present.cumsum(1) - 1, present.long())
    torch.testing.assert_close(operator(x, rows)[present], operator(x)[present], atol=1e-6, rtol=1e-5)
    assert operator(x.masked_fill(~present[..., None], torch.nan), rows)[present].isfinite().all()


def test_every_filter_parameter_is_named_as_one() -> None:
    stack = torch.nn.ModuleList([HyenaOperator(8, 3, 16, bidirectional=True)])
    implicit = [part for part in stack.modules() if isinstance(part, ImplicitFilter)]
    named = {id(parameter) for name, parameter in stack.named_parameters() if ".filter." in name}
    assert named == {id(parameter) for part in implicit for parameter in part.parameters()}
    assert len(implicit) == 2
