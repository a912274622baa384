import pytest
import torch

from genomelm.nn.fftconv import causal_conv
from genomelm.nn.hyena.modal import CHUNK, GROUP, ModalFilter, by_chunks, modal_conv, modal_extend
from genomelm.nn.hyena.reference import modal_conv as reference

LENGTHS = [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7, CHUNK * GROUP + 1]


def inputs(length: int) -> list[torch.Tensor]:
    """Signal (2, p, 5), rates and amplitudes (3, 5); e-folds from 1 token to 1000."""
    random = torch.Generator().manual_seed(length)
    rates = torch.logspace(-3, 0, 15).view(3, 5)
    drawn = torch.randn(2, length, 5, generator=random), rates, torch.randn(3, 5, generator=random)
    return [tensor.requires_grad_() for tensor in drawn]


def near(ours: torch.Tensor, exact: torch.Tensor) -> None:
    assert (ours - exact).abs().max() <= 1e-5 * exact.double().pow(2).mean().sqrt() + 1e-6


@pytest.mark.parametrize("lag_zero", [True, False])
@pytest.mark.parametrize("length", LENGTHS)
def test_outputs_and_gradients_are_those_of_the_float64_recurrence(length: int, lag_zero: bool) -> None:
    given = inputs(length)
    upstream = torch.randn(2, length, 5, generator=torch.Generator().manual_seed(0))
    results = []
    for y in (modal_conv(*given, lag_zero=lag_zero), reference(*given, lag_zero)):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), given, materialize_grads=True)))
    for ours, exact in zip(*results, strict=True):
        near(ours, exact)


@pytest.mark.parametrize("length", LENGTHS)
def test_poles_are_the_long_convolution_with_their_taps(length: int) -> None:
    signal, rates, amplitudes = (tensor.detach() for tensor in inputs(length))
    lag = torch.arange(length)[:, None, None]
    taps = (amplitudes * torch.exp(-rates * lag)).sum(1)
    torch.testing.assert_close(modal_conv(signal, rates, amplitudes), causal_conv(signal, taps), atol=1e-4, rtol=0)


@pytest.mark.parametrize("cuts", [[], [1, 2, 70, 199], list(range(1, 300))], ids=["whole", "cuts", "rows"])
def test_a_carried_state_and_its_gradient_are_those_of_the_whole(cuts: list[int]) -> None:
    signal, rates, amplitudes = inputs(300)
    upstream = torch.randn(2, 300, 5)
    parts, state = [], None
    for first, last in zip([0, *cuts], [*cuts, 300], strict=True):
        y, state = by_chunks(signal[:, first:last], rates, amplitudes, state)
        parts.append(y)
    results = []
    for y in (torch.cat(parts, 1), reference(signal, rates, amplitudes)):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), (signal, rates, amplitudes))))
    for ours, exact in zip(*results, strict=True):
        near(ours, exact)
    assert state.shape == (2, 5, 3)


def test_bf16_signals_stay_within_one_percent_and_keep_a_float32_state() -> None:
    """Tolerance: root mean square of the difference at most 1 % of the output's own."""
    signal, rates, amplitudes = (tensor.detach() for tensor in inputs(700))
    exact = reference(signal.bfloat16(), rates, amplitudes)
    with torch.autocast("cpu", torch.bfloat16):
        y = modal_conv(signal.bfloat16(), rates, amplitudes)
        assert modal_conv(signal, rates, amplitudes).dtype == torch.float32
        _, state = modal_extend(signal.bfloat16(), rates, amplitudes, torch.zeros(2, 5, 3))
    assert (y.dtype, state.dtype) == (torch.bfloat16, torch.float32)
    assert (y - exact).pow(2).mean().sqrt() <= 0.01 * exact.pow(2).mean().sqrt()


@pytest.mark.parametrize("target", [8, 100, 100_000])
def test_first_poles_reach_from_eight_tokens_to_four_times_the_target(target: int) -> None:
    torch.manual_seed(0)
    modal = ModalFilter(64, target, poles=16)
    rates, amplitudes = (part.detach().double() for part in modal(1))
    folds = 1 / rates
    assert folds.min() == pytest.approx(8, rel=0.02)
    assert folds.max() == pytest.approx(4 * target, rel=0.02)
    ratio = (folds[1:] / folds[:-1]).log()
    torch.testing.assert_close(ratio, torch.full_like(ratio, float(ratio.mean())), rtol=0.01, atol=0)
    pairs = 1 / -torch.expm1(-(rates[:, None] + rates[None]))  # sum over lags of the product of two poles
    energy = (amplitudes[:, None] * amplitudes[None] * pairs).sum((0, 1))
    assert 0.5 < energy.mean() < 2
