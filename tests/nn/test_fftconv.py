import pytest
import torch

from genomelm.nn.fftconv import causal_conv, extended_conv, portable, two_sided_conv
from genomelm.nn.fftconv.reference import causal_conv as reference
from genomelm.nn.fftconv.reference import two_sided_conv as two_sided_reference

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


def two_sided(length: int, lags: int, back_lags: int) -> list[torch.Tensor]:
    """Return signal, taps and back_taps."""
    signal, taps = signal_and_taps(length, lags)
    generator = torch.Generator().manual_seed(length + 1)
    return [signal, taps, torch.randn(back_lags, 3, generator=generator, requires_grad=True)]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("spare", "back_spare"), [(0, 0), (4, 9)])
def test_both_sides_and_their_gradients_are_those_of_the_direct_sum(length: int, spare: int, back_spare: int) -> None:
    inputs = two_sided(length, length + spare, length + back_spare)
    upstream = torch.randn(2, length, 3, generator=torch.Generator().manual_seed(0))
    results = []
    for conv in (two_sided_conv, two_sided_reference):
        y = conv(*inputs)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), inputs, materialize_grads=True)))
    for ours, theirs in zip(*results, strict=True):
        rms = theirs.double().pow(2).mean().sqrt()
        assert ours.dtype == torch.float32
        assert (ours - theirs).abs().max() <= 1e-5 * rms + 1e-6


@pytest.mark.parametrize(("lags", "back_lags"), [(7, 50), (50, 7), (1, 3), (3, 1), (5, 0)])
def test_fewer_taps_on_either_side_are_the_same_sum(lags: int, back_lags: int) -> None:
    inputs = two_sided(50, lags, back_lags)
    torch.testing.assert_close(two_sided_conv(*inputs).double(), two_sided_reference(*inputs), atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", LENGTHS)
def test_the_spectrum_is_that_of_the_taps_plus_the_conjugate_of_the_others(length: int) -> None:
    signal, taps, back_taps = (tensor.detach().double() for tensor in two_sided(length, length, length))
    back_taps[0] = 0
    size = 2 * length
    spectrum = torch.fft.rfft(taps, n=size, dim=0) + torch.fft.rfft(back_taps, n=size, dim=0).conj()
    y = torch.fft.irfft(torch.fft.rfft(signal, n=size, dim=1) * spectrum, n=size, dim=1)[:, :length]
    ours = two_sided_conv(signal.float(), taps.float(), back_taps.float())
    assert (ours - y).abs().max() <= 1e-5 * y.pow(2).mean().sqrt() + 1e-6


@pytest.mark.parametrize("length", LENGTHS)
def test_lag_zero_counts_once(length: int) -> None:
    signal, taps, back_taps = (tensor.detach() for tensor in two_sided(length, length, length))
    other = back_taps.clone()
    other[0] = 100
    assert torch.equal(two_sided_conv(signal, taps, other), two_sided_conv(signal, taps, back_taps))
    impulse = torch.zeros(1, length, 3)
    impulse[:, length // 2] = 1
    y = two_sided_conv(impulse, taps, back_taps)[0]
    after, before = length - length // 2, length // 2
    expected = torch.cat([back_taps[1 : before + 1].flip(0), taps[:after]])
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", LENGTHS)
def test_equal_sides_mirror_the_mirror_of_a_signal(length: int) -> None:
    signal, taps, _ = two_sided(length, length, length)
    back_taps = taps.detach().clone()
    back_taps[0] = 0
    y = two_sided_conv(signal, taps, back_taps)
    rms = y.detach().pow(2).mean().sqrt()
    assert (two_sided_conv(signal.flip(1), taps, back_taps).flip(1) - y).abs().max() <= 1e-5 * rms + 1e-6


def test_rows_after_a_zero_padded_end_change_nothing() -> None:
    signal, taps, back_taps = two_sided(33, 80, 80)
    alone = two_sided_conv(signal, taps, back_taps)
    padded = two_sided_conv(torch.nn.functional.pad(signal, (0, 0, 0, 47)), taps, back_taps)
    torch.testing.assert_close(padded[:, :33], alone, atol=3e-5, rtol=0)


def test_both_sides_stay_float32_under_autocast() -> None:
    inputs = two_sided(40, 40, 40)
    expected = two_sided_conv(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(two_sided_conv(*inputs), expected)
        assert two_sided_conv(inputs[0].bfloat16(), *inputs[1:]).dtype == torch.bfloat16


def test_no_rows_have_no_two_sides() -> None:
    empty = [torch.zeros(2, 0, 3), torch.zeros(0, 3), torch.zeros(0, 3)]
    assert two_sided_conv(*empty).shape == (2, 0, 3)
    assert two_sided_reference(*empty).shape == (2, 0, 3)


def saved_bytes(conv, *inputs: torch.Tensor) -> int:
    """Count what the backward pass of `conv` keeps."""
    sizes = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = conv(*inputs)
    assert y.requires_grad
    return sum(sizes.values())


def test_the_backward_pass_keeps_signal_and_taps_and_no_spectra() -> None:
    signal, taps, back_taps = two_sided(100, 80, 90)
    assert saved_bytes(causal_conv, signal, taps) == signal.nbytes + taps.nbytes
    assert saved_bytes(two_sided_conv, signal, taps, back_taps) == signal.nbytes + taps.nbytes + back_taps.nbytes
    past = torch.randn(2, 30, 3)
    whole = signal.nbytes + past.nbytes
    assert saved_bytes(extended_conv, signal, past, taps) == whole + taps.nbytes
    half = signal.detach().bfloat16()
    assert saved_bytes(causal_conv, half, taps) == half.nbytes + taps.nbytes


@pytest.mark.parametrize("points", [1, 2 * 256, 3 * 256, 4 * 256])
def test_blocks_of_channels_are_all_channels_at_once(monkeypatch, points: int) -> None:
    inputs = two_sided(101, 90, 70)
    upstream, results = torch.randn(2, 101, 3), []
    for limit in (portable.BLOCK, points):
        monkeypatch.setattr(portable, "BLOCK", limit)
        y = two_sided_conv(*inputs)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), inputs)))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert len(portable._blocks(inputs[0], 256)) == (2 if points == 4 * 256 else 3)


@pytest.mark.parametrize("before", [0, 1, 31, 200])
@pytest.mark.parametrize("length", [1, 2, 33, 128])
@pytest.mark.parametrize("lags", [1, 40, 500])
def test_rows_after_a_past_are_those_of_the_whole(before: int, length: int, lags: int) -> None:
    whole, taps = signal_and_taps(before + length, lags)
    upstream = torch.randn(2, length, 3)
    results = []
    for y in (extended_conv(whole[:, before:], whole[:, :before], taps), reference(whole, taps)[:, before:]):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (whole, taps))))
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * theirs.double().pow(2).mean().sqrt() + 1e-6
