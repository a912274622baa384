import pytest
import torch

from genomelm.nn.fftconv import causal_conv
from genomelm.nn.shortconv import ShortConv
from genomelm.nn.shortconv.convolution import by_library, by_rows


def naive(x: torch.Tensor, layer: ShortConv) -> torch.Tensor:
    """Direct sum in float64; the last tap is lag 0."""
    x, weight, bias = x.double(), layer.weight.double()[:, 0, 0], layer.bias.double()
    rows = []
    for t in range(x.shape[1]):
        row = bias.expand(x.shape[0], -1)
        for lag in range(weight.shape[1]):
            if t - lag * layer.dilation >= 0:
                row = row + weight[:, -1 - lag] * x[:, t - lag * layer.dilation]
        rows.append(row)
    return torch.stack(rows, 1)


def make(taps: int, dilation: int, centred: bool = False) -> ShortConv:
    torch.manual_seed(taps)
    layer = ShortConv(4, taps, dilation, centred)
    torch.nn.init.normal_(layer.bias)
    return layer


@pytest.mark.parametrize("length", [1, 2, 7, 15, 16, 17, 100])
@pytest.mark.parametrize(("taps", "dilation"), [(1, 1), (3, 1), (9, 1), (9, 4), (2, 7)])
def test_outputs_and_gradients_are_those_of_the_direct_sum(length: int, taps: int, dilation: int) -> None:
    layer = make(taps, dilation)
    x = torch.randn(2, length, 4, requires_grad=True)
    upstream = torch.randn(2, length, 4)
    results = []
    for y in (layer(x), naive(x, layer)):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (x, layer.weight, layer.bias))))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), atol=2e-5, rtol=1e-5)


def test_an_impulse_never_reaches_the_past() -> None:
    layer = make(9, 4)
    quiet = torch.zeros(1, 60, 4)
    loud = quiet.clone()
    loud[:, 30] = 1
    change = (layer(loud) - layer(quiet))[0].abs().sum(-1)
    assert change[:30].max() == 0
    assert change.nonzero()[:, 0].tolist() == list(range(30, 60, 4))


def test_short_and_long_convolution_agree_on_orientation() -> None:
    layer = make(9, 1)
    torch.nn.init.zeros_(layer.bias)
    x = torch.randn(2, 40, 4)
    taps = layer.weight[:, 0, 0].flip(-1).T  # (k, d), lag 0 first
    torch.testing.assert_close(layer(x), causal_conv(x, taps), atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", [1, 2, 7, 15, 16, 17, 100])
@pytest.mark.parametrize(("taps", "dilation"), [(1, 1), (3, 1), (9, 1), (9, 4), (5, 7)])
def test_a_centred_convolution_is_the_causal_one_moved_back(length: int, taps: int, dilation: int) -> None:
    layer = make(taps, dilation, centred=True)
    ahead = dilation * (taps // 2)
    x = torch.randn(2, length, 4, requires_grad=True)
    upstream = torch.randn(2, length, 4)
    results = []
    for y in (layer(x), naive(torch.nn.functional.pad(x, (0, 0, 0, ahead)), layer)[:, ahead:]):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (x, layer.weight, layer.bias))))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), atol=2e-5, rtol=1e-5)


def test_a_centred_convolution_with_mirrored_taps_mirrors_its_output() -> None:
    layer = make(5, 3, centred=True)
    x = torch.randn(2, 40, 4)
    before = layer(x)
    with torch.no_grad():
        layer.weight.copy_(layer.weight.flip(-1))
    torch.testing.assert_close(layer(x.flip(1)).flip(1), before, atol=1e-5, rtol=0)


def test_a_centred_impulse_reaches_as_far_back_as_ahead() -> None:
    layer = make(9, 4, centred=True)
    quiet = torch.zeros(1, 60, 4)
    loud = quiet.clone()
    loud[:, 30] = 1
    change = (layer(loud) - layer(quiet))[0].abs().sum(-1)
    assert change.nonzero()[:, 0].tolist() == list(range(14, 47, 4))


@pytest.mark.parametrize(("taps", "dilation"), [(1, 1), (3, 1), (9, 4), (2, 7)])
def test_all_rows_at_once_are_random_cuts_are_single_rows(taps: int, dilation: int) -> None:
    layer = make(taps, dilation)
    x, upstream = torch.randn(2, 60, 4, requires_grad=True), torch.randn(2, 60, 4)
    wanted = [x, *layer.parameters()]
    whole = layer(x)
    exact = (whole, *torch.autograd.grad((whole * upstream).sum(), wanted))
    for cuts in ([], [1, 2, 30, 59], list(range(1, 60))):
        state, parts = layer.initial_state(2), []
        for first, last in zip([0, *cuts], [*cuts, 60], strict=True):
            y, state = layer.extend(x[:, first:last], state)
            parts.append(y)
        y = torch.cat(parts, 1)
        for ours, theirs in zip((y, *torch.autograd.grad((y * upstream).sum(), wanted)), exact, strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)
    assert state.shape == (2, dilation * (taps - 1), 4)


def test_the_state_does_not_hold_on_to_a_long_text() -> None:
    layer = make(9, 4)
    _, state = layer.extend(torch.randn(2, 1000, 4), layer.initial_state(2))
    assert state.untyped_storage().nbytes() == state.nbytes == 2 * 32 * 4 * 4


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("taps", "dilation"), [(1, 1), (3, 1), (9, 4), (2, 7)])
def test_both_ways_of_summing_are_the_same_sum(taps: int, dilation: int, bias: bool) -> None:
    layer, x = make(taps, dilation), torch.randn(2, 60, 4)
    given = layer.weight, layer.bias if bias else None, dilation
    torch.testing.assert_close(by_rows(x, *given), by_library(x, *given), atol=1e-5, rtol=0)


def test_a_centred_convolution_has_no_state_to_go_on_from() -> None:
    layer = make(3, 1, centred=True)
    with pytest.raises(AssertionError, match="not come yet"):
        layer.extend(torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))


@pytest.mark.parametrize("taps", [14, 15, 19, 40])
def test_bf16_with_many_taps_comes_to_an_end_near_float32(taps: int) -> None:
    layer, x = make(taps, 1), torch.randn(2, 150, 4)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    assert (y - layer(x)).pow(2).mean().sqrt() <= 0.02 * layer(x).pow(2).mean().sqrt()
