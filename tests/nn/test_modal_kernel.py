"""The Triton form of the convolution by real poles, on a CUDA device."""

import pytest
import torch

from genomelm.nn.hyena import HyenaOperator
from genomelm.nn.hyena.modal import ModalFilter, by_chunks, modal_conv, modal_extend, path_of
from genomelm.nn.hyena.reference import modal_conv as reference

pytestmark = pytest.mark.gpu

SHAPES = [(1, 1, 1, 1), (2, 2, 5, 3), (1, 63, 33, 16), (3, 64, 32, 5), (2, 65, 70, 16), (1, 700, 31, 20)]
"""b, p, d, m."""


def inputs(b: int, p: int, d: int, m: int) -> list[torch.Tensor]:
    """Signal (b, p, d), rates and amplitudes (m, d); e-folds from 1 token to 1000, in float64."""
    torch.manual_seed(p)
    rates = torch.logspace(-3, 0, m * d, dtype=torch.float64).view(m, d)
    return [torch.randn(b, p, d).double(), rates.float().double(), torch.randn(m, d).double()]


def on_device(given: list[torch.Tensor]) -> list[torch.Tensor]:
    return [x.float().cuda().requires_grad_() for x in given]


def near(ours: torch.Tensor, exact: torch.Tensor) -> None:
    assert (ours.double().cpu() - exact).abs().max() <= 1e-5 * exact.square().mean().sqrt() + 1e-6


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lag_zero", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_and_gradients_are_those_of_the_float64_recurrence(
    shape: tuple[int, ...], lag_zero: bool, reverse: bool
) -> None:
    given, upstream = [x.requires_grad_() for x in inputs(*shape)], torch.randn(*shape[:3])
    ours = on_device([x.detach() for x in given])
    assert path_of(ours[0], shape[3]) == "triton"
    y = modal_conv(*ours, lag_zero=lag_zero, reverse=reverse)
    signal = given[0].flip(1) if reverse else given[0]
    wanted = reference(signal, *given[1:], lag_zero)
    wanted = wanted.flip(1) if reverse else wanted
    near(y, wanted)
    gradients = torch.autograd.grad((y * upstream.cuda()).sum(), ours)
    exact = torch.autograd.grad((wanted * upstream).sum(), given, materialize_grads=True)
    for mine, theirs in zip(gradients, exact, strict=True):
        near(mine, theirs)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [8191, 8192, 20_001])
def test_long_texts_are_those_of_float64(length: int, reverse: bool) -> None:
    torch.manual_seed(0)
    filters = ModalFilter(40, length)
    given = [torch.randn(2, length, 40, dtype=torch.float64), *(part.detach().double() for part in filters(1))]
    exact = [x.requires_grad_() for x in given]
    ours, upstream = on_device([x.detach() for x in given]), torch.randn(2, length, 40)
    y = modal_conv(*ours, lag_zero=not reverse, reverse=reverse)
    signal, *poles = exact
    wanted = _exact(signal.flip(1), *poles).flip(1) - signal * poles[1].sum(0) if reverse else _exact(*exact)
    near(y, wanted)
    gradients = torch.autograd.grad((y * upstream.cuda()).sum(), ours)
    for mine, theirs in zip(gradients, torch.autograd.grad((wanted * upstream).sum(), exact), strict=True):
        assert (mine.double().cpu() - theirs).square().mean().sqrt() <= 1e-5 * theirs.square().mean().sqrt()


def _exact(signal: torch.Tensor, rates: torch.Tensor, amplitudes: torch.Tensor) -> torch.Tensor:
    """The float64 convolution by FFT with the taps written out."""
    p = signal.shape[1]
    lag = torch.arange(p, dtype=torch.float64)[:, None]
    taps = sum(a * torch.exp(-r * lag) for r, a in zip(rates, amplitudes, strict=True))
    spectrum = torch.fft.rfft(signal, 2 * p, dim=1) * torch.fft.rfft(taps, 2 * p, dim=0)
    return torch.fft.irfft(spectrum, 2 * p, dim=1)[:, :p]


@pytest.mark.parametrize(
    ("length", "cuts"), [(300, []), (300, [1, 2, 70, 199]), (300, [64, 128]), (9001, [8192]), (9001, [100])]
)
def test_a_carried_state_is_that_of_the_whole(length: int, cuts: list[int]) -> None:
    given = inputs(2, length, 37, 16)
    exact = _exact(*given)
    signal, rates, amplitudes = (x.float().cuda() for x in given)
    state, parts = torch.zeros(2, 37, 16, device="cuda"), []
    for first, last in zip([0, *cuts], [*cuts, length], strict=True):
        y, state = modal_extend(signal[:, first:last], rates, amplitudes, state)
        parts.append(y)
    near(torch.cat(parts, 1), exact)
    _, wanted = by_chunks(*(x.float() for x in given), None)
    torch.testing.assert_close(state.cpu(), wanted, rtol=1e-5, atol=1e-5)


def test_a_state_that_has_a_gradient_takes_the_form_that_knows_it() -> None:
    given = inputs(1, 100, 6, 4)
    signal, rates, amplitudes = (x.float().cuda() for x in given)
    state = torch.randn(1, 6, 4, device="cuda", requires_grad=True)
    y, after = modal_extend(signal, rates, amplitudes, state)
    (found,) = torch.autograd.grad(y.sum() + after.sum(), state)
    near(found, torch.autograd.grad(sum(x.sum() for x in by_chunks(signal, rates, amplitudes, state)), state)[0].cpu())


def test_bf16_differs_by_the_rounding_of_the_result_alone() -> None:
    given = inputs(2, 500, 64, 16)
    rough = given[0].bfloat16()
    y = modal_conv(rough.cuda(), *(x.float().cuda() for x in given[1:]))
    exact = reference(rough, *given[1:])
    assert y.dtype == torch.bfloat16
    off = (y.double().cpu() - exact).abs()
    assert (off <= 2**-8 * exact.abs() + 1e-5 * exact.square().mean().sqrt()).all()


def test_the_filters_gradient_is_the_same_each_time() -> None:
    signal, *filters = on_device(inputs(3, 5000, 96, 16))
    first, second = (torch.autograd.grad(modal_conv(signal, *filters).square().sum(), filters) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_there_may_be_more_records_than_a_grid_has_rows() -> None:
    signal, *filters = on_device(inputs(70_000, 3, 5, 4))
    y, alone = modal_conv(signal, *filters), modal_conv(signal[-2:], *filters)
    assert torch.equal(y[-2:], alone)
    found, wanted = (torch.autograd.grad(part[-2:].square().sum(), signal)[0][-2:] for part in (y, alone))
    assert torch.equal(found, wanted)


def test_more_poles_than_a_thread_holds_take_the_other_form() -> None:
    signal, rates, amplitudes = inputs(1, 70, 3, 40)
    assert path_of(signal.float().cuda(), 40) == "chunks"
    near(modal_conv(*(x.float().cuda() for x in (signal, rates, amplitudes))), reference(signal, rates, amplitudes))


def test_compiled_is_eager() -> None:
    torch.manual_seed(0)
    operator = HyenaOperator(32, kind="modal", bidirectional=True).cuda()
    x = torch.randn(2, 3000, 32, device="cuda", requires_grad=True)
    wanted, results = [x, *operator.parameters()], []
    for form in (operator, torch.compile(operator, dynamic=False)):
        y = form(x)
        results.append((y, *torch.autograd.grad(y.square().sum(), wanted)))
    for eager, compiled in zip(*results, strict=True):
        near(compiled, eager.double().cpu())
