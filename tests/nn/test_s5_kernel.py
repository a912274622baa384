"""The Triton form of S5's scan, on a CUDA device."""

import math

import numpy as np
import pytest
import torch

from genomelm.nn.s5 import S5Operator, StateSpace, reference
from genomelm.nn.s5.irregular import scan_rows
from genomelm.nn.s5.portable import path_of
from genomelm.nn.s5.readout import read_out

pytestmark = pytest.mark.gpu

SHAPES = [(2, 1), (2, 2), (2, 127), (2, 128), (2, 129), (2, 1000), (2, 2047), (2, 2048), (2, 2049), (1, 4100)]
"""b, p: about the tile, which has 2,048 rows at most."""


def assert_near(ours: torch.Tensor, exact: torch.Tensor) -> None:
    """Compare within 1e-5 of the RMS."""
    assert (ours.double().cpu() - exact).abs().max() <= 1e-5 * exact.double().pow(2).mean().sqrt() + 1e-7


def make(state: int = 40, target: int = 16, bidirectional: bool = False, irregular: bool = False) -> StateSpace:
    torch.manual_seed(state)
    return StateSpace(6, state, target, bidirectional, irregular)


@pytest.mark.parametrize("irregular", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_and_gradients_are_those_of_the_float64_recurrence(
    shape: tuple[int, int], bidirectional: bool, irregular: bool
) -> None:
    b, length = shape
    space = make(bidirectional=bidirectional, irregular=irregular)
    u, upstream = torch.randn(length, b, 6).transpose(0, 1).requires_grad_(), torch.randn(b, length, 6)
    lengths = torch.randint(1, 91, (b, length)) if irregular else None
    parameters = dict(space.named_parameters())
    y = reference.state_space(u, **parameters, lengths=lengths)
    exact = (y, *torch.autograd.grad((y * upstream).sum(), [u, *parameters.values()]))
    on_device, space = u.detach().cuda().requires_grad_(), space.cuda()
    assert path_of(on_device) == "triton"
    y, _ = space(on_device, None, None if lengths is None else lengths.cuda())
    found = (y, *torch.autograd.grad((y * upstream.cuda()).sum(), [on_device, *space.parameters()]))
    for ours, theirs in zip(found, exact, strict=True):
        assert_near(ours, theirs)


@pytest.mark.parametrize(("b", "length"), [(3, 1), (3, 2), (3, 129), (1, 2049)])
def test_a_state_is_carried_in_and_out_with_its_gradients_as_in_float64(b: int, length: int) -> None:
    space, start = make(), torch.randn(b, 20, 2)
    u, of_y, of_after = torch.randn(b, length, 6), torch.randn(b, length, 6), torch.randn(b, 20, 2)
    decay, turn, step = (part.detach() for part in space.exponents())
    into, out = space._held(decay, turn, step).detach(), torch.randn(40, 6)
    results = []
    for device, dtype in (("cuda", torch.float32), ("cpu", torch.float64)):
        given = [part.to(device, dtype).requires_grad_() for part in (u, into, out, start.permute(1, 2, 0))]
        exponents = [part.to(device).requires_grad_() for part in (decay, turn)]
        read = read_out if device == "cuda" else row_by_row
        y, after = read(given[0], given[1], *exponents, given[2], None, given[3])
        told = (y * of_y.to(y)).sum() + (after * of_after.permute(1, 2, 0).to(y)).sum()
        results.append((y, after, *torch.autograd.grad(told, [*given, *exponents])))
    for ours, exact in zip(*results, strict=True):
        assert_near(ours, exact)


def row_by_row(u, into, decay, turn, out, ahead, carry):
    """Return what `read_out` does, in float64."""
    pairs = (u @ into.T).unflatten(-1, (-1, 2))
    pairs = torch.cat([pairs[:, :1] + carry.permute(2, 0, 1)[:, None], pairs[:, 1:]], 1)
    states = reference.scan(torch.complex(*pairs.unbind(-1)), torch.complex(decay, turn))
    states = torch.stack([states.real, states.imag], -1)
    return states.flatten(2) @ out, states[:, -1].permute(1, 2, 0)


@pytest.mark.parametrize("step", [1e-6, 1e-4, 1e-2, 0.1])
def test_65536_rows_are_scanned_as_the_float64_recurrence_has_them(step: float) -> None:
    rate = torch.complex(torch.full((3,), -0.5), torch.tensor([0.3, 9.0, 28.0])).to(torch.complex128)
    inputs = torch.randn(65_536, 3, 2, generator=torch.Generator().manual_seed(0))
    factor, x, rows = np.exp((rate * step).numpy()), np.zeros(3, complex), []
    for row in torch.complex(*inputs.double().unbind(-1)).numpy():
        x = factor * x + row
        rows.append(x)
    exponents = [part.cuda() for part in ((rate * step).real, (rate * step).imag)]
    same = torch.eye(6, device="cuda")
    states, last = read_out(inputs.flatten(1)[None].cuda(), same, *exponents, same)
    every = torch.ones(3, 1, len(inputs), dtype=torch.float64, device="cuda")
    by_row = scan_rows(inputs.permute(1, 2, 0)[:, :, None].cuda(), *(part[:, None, None] * every for part in exponents))
    for found in (states[0].unflatten(-1, (3, 2)).permute(1, 2, 0), by_row[:, :, 0]):
        found = torch.complex(*found.double().cpu().unbind(1))
        for mine, exact in zip(found, torch.from_numpy(np.stack(rows, 1)), strict=True):
            assert (mine - exact).abs().max() <= 1e-5 * exact.abs().pow(2).mean().sqrt()
    assert torch.equal(last[..., 0].flatten(), states[0, -1])


def test_frequencies_at_their_bound_and_decays_that_forget_at_once_stay_exact() -> None:
    space = make()
    with torch.no_grad():
        space.log_step += 200
        space.log_decay[:8] = torch.tensor([-8.0, 0.0, 3.0, 5.0, 6.0, 7.0, 8.0, 9.0])
        space.frequency[:5] = torch.tensor([0.0, 1e-3, -50.0, 325.0, 1e4])
    u = torch.randn(1, 3000, 6)
    exact = reference.state_space(u, **dict(space.named_parameters()))
    assert_near(space.cuda()(u.cuda())[0], exact)


def test_there_may_be_more_records_than_a_grid_has_rows() -> None:
    space, u = make(8).cuda(), torch.randn(70_000, 3, 6, device="cuda", requires_grad=True)
    y = space(u)[0]
    alone = space(u[-2:])[0]
    torch.testing.assert_close(y[-2:], alone, atol=1e-5, rtol=1e-5)
    gradient, theirs = (torch.autograd.grad(part[-2:].square().sum(), u)[0][-2:] for part in (y, alone))
    torch.testing.assert_close(gradient, theirs, atol=1e-5, rtol=1e-5)


def test_more_than_2_to_the_31_numbers_are_scanned() -> None:
    torch.manual_seed(0)
    space = StateSpace(2, 4, 64, False).cuda()
    u = torch.randn(32_800, 16_384, 2, device="cuda", requires_grad=True)
    assert 2 * u.numel() > 2**31  # of the states
    y = space(u)[0]
    alone = u[-1:].detach().requires_grad_()
    theirs = space(alone)[0]
    torch.testing.assert_close(y[-1:], theirs, atol=1e-5, rtol=1e-5)
    upstream = torch.zeros_like(y)
    upstream[-1] = 1.0
    torch.testing.assert_close(
        torch.autograd.grad(y, u, upstream)[0][-1:],
        torch.autograd.grad(theirs.sum(), alone)[0],
        atol=1e-5,
        rtol=1e-5,
    )


@pytest.mark.parametrize("bidirectional", [False, True])
def test_compiled_is_eager(bidirectional: bool) -> None:
    torch.manual_seed(0)
    operator = S5Operator(32, 32, 4096, bidirectional).cuda()
    x = torch.randn(2, 3000, 32, device="cuda", requires_grad=True)
    wanted, results = [x, *operator.parameters()], []
    for form in (operator, torch.compile(operator, dynamic=False, fullgraph=True)):
        y = form(x)
        results.append((y, *torch.autograd.grad(y.square().sum(), wanted)))
    for eager, compiled in zip(*results, strict=True):
        assert_near(compiled, eager.cpu())


@pytest.mark.parametrize("bidirectional", [False, True])
def test_gradients_are_the_same_each_time(bidirectional: bool) -> None:
    space, u = make(64, 512, bidirectional).cuda(), torch.randn(3, 5000, 6, device="cuda")
    first, second = (torch.autograd.grad(space(u)[0].square().sum(), list(space.parameters())) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_states_are_kept_for_the_backward_pass(bidirectional: bool) -> None:
    space = make(64, 512, bidirectional).cuda()
    held = []
    for length in (4096, 8192):
        sizes, u = {}, torch.randn(1, length, 6, device="cuda", requires_grad=True)

        def keep(tensor: torch.Tensor, sizes: dict[int, int] = sizes) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = space(u)[0]
        assert y.requires_grad
        held.append(sum(sizes.values()))
    assert (held[1] - held[0]) / 4096 <= 2 * 4 * 6 + 1  # the input, and what the skip keeps


def test_an_unknown_number_reaches_no_earlier_row() -> None:
    space, u = make().cuda(), torch.randn(1, 300, 6, device="cuda")
    u[0, 200] = math.nan
    y = space(u)[0]
    assert y[0, :200].isfinite().all()
    assert y[0, 200:].isnan().all()
