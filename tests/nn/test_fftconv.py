import pytest
import torch

from genomelm.nn.fftconv import causal_conv
from genomelm.nn.fftconv.reference import causal_conv as reference

LENGTHS = [1, 2, 3, 5, 7, 8, 9, 31, 32, 33, 127, 128, 129, 1000]


def signal_and_taps(length: int, lags: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    signal = torch.randn(2, length, 3, generator=generator, requires_grad=True)
    taps = torch.randn(lags, 3, generator=generator, requires_grad=True)
    return signal, taps


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("spare", [0, 4])
def test_outputs_and_gradients_are_those_of_the_direct_sum(length: int, spare: int) -> None:
    signal, taps = signal_and_taps(length, length + spare)
    upstream = torch.randn(2, length, 3, generator=torch.Generator().manual_seed(0))
    results = []
    for conv in (causal_conv, reference):
        y = conv(signal, taps)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (signal, taps))))
    for ours, theirs in zip(*results, strict=True):
        rms = theirs.double().pow(2).mean().sqrt()
        assert ours.dtype == torch.float32
        assert (ours - theirs).abs().max() <= 1e-5 * rms + 1e-6


def test_fewer_taps_than_rows_are_the_same_sum() -> None:
    signal, taps = signal_and_taps(50, 7)
    torch.testing.assert_close(causal_conv(signal, taps).double(), reference(signal, taps), atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", LENGTHS)
def test_an_impulse_at_the_end_never_reaches_the_past(length: int) -> None:
    _, taps = signal_and_taps(length, length)
    impulse = torch.zeros(1, length, 3)
    impulse[:, -1] = 1
    y = causal_conv(impulse, taps)[0]
    assert y[:-1].abs().sum() <= 1e-5 * taps.abs().sum()
    torch.testing.assert_close(y[-1], taps[0], atol=1e-5, rtol=0)


def test_a_circular_convolution_would_fail_the_impulse_test() -> None:
    _, taps = signal_and_taps(64, 64)
    impulse = torch.zeros(64, 3)
    impulse[-1] = 1
    y = torch.fft.irfft(torch.fft.rfft(impulse, dim=0) * torch.fft.rfft(taps, dim=0), n=64, dim=0)
    assert y[:-1].abs().sum() > 0.5 * taps.abs().sum()


def test_the_sum_stays_float32_under_autocast() -> None:
    signal, taps = signal_and_taps(40, 40)
    expected = causal_conv(signal, taps)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(causal_conv(signal, taps), expected)
        assert causal_conv(signal.bfloat16(), taps).dtype == torch.bfloat16


def test_no_rows_give_no_rows() -> None:
    assert causal_conv(torch.zeros(2, 0, 3), torch.zeros(0, 3)).shape == (2, 0, 3)
    assert reference(torch.zeros(2, 0, 3), torch.zeros(0, 3)).shape == (2, 0, 3)
