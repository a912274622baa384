import pytest
import torch

from genomelm.nn.fftconv.reference import two_sided_conv as reference
from genomelm.nn.hyena.banded import CHUNK, banded_conv
from genomelm.nn.hyena.explicit import ExplicitTaps, explicit_conv


@pytest.mark.parametrize("conv", [banded_conv, explicit_conv])
@pytest.mark.parametrize("length", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
@pytest.mark.parametrize(("back", "ahead"), [(0, 0), (6, 0), (127, 0), (3, 3), (70, 9), (0, 20)])
def test_outputs_and_gradients_are_those_of_the_direct_sum(conv, length: int, back: int, ahead: int) -> None:
    random = torch.Generator().manual_seed(length)
    signal = torch.randn(2, length, 3, generator=random, requires_grad=True)
    lags = torch.randn(back + 1 + ahead, 3, generator=random, requires_grad=True)
    upstream = torch.randn(2, length, 3, generator=random)
    results = []
    for y in (conv(signal, lags, back, ahead), reference(signal, lags[ahead:], lags[: ahead + 1].flip(0))):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (signal, lags))))
    for ours, exact in zip(*results, strict=True):
        assert (ours - exact).abs().max() <= 1e-5 * exact.pow(2).mean().sqrt() + 1e-6


@pytest.mark.parametrize("conv", [banded_conv, explicit_conv])
def test_without_zeros_around_it_a_signal_gives_the_rows_that_see_all_taps(conv) -> None:
    signal, lags = torch.randn(2, 200, 3, requires_grad=True), torch.randn(40, 3, requires_grad=True)
    upstream = torch.randn(2, 161, 3)
    results = []
    for y in (conv(signal, lags, 0, 0), conv(signal, lags, 39, 0)[:, 39:]):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (signal, lags))))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("taps", [1, 7, 64])
def test_first_taps_have_unit_energy(taps: int) -> None:
    torch.manual_seed(0)
    weight = ExplicitTaps(2000, taps)(5).detach()
    assert weight.shape == (taps, 2000)
    assert weight.square().sum(0).mean() == pytest.approx(1, rel=0.1)
