import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from genomelm.errors import UsageError
from genomelm.nn.rows import Rows
from genomelm.nn.s5 import S5Operator, StateSpace, monitor, reference
from genomelm.nn.s5.initial import block_diagonal, block_sizes, eigenpairs, legs_normal
from genomelm.nn.s5.irregular import scan_rows
from genomelm.nn.s5.portable import CHUNK, hold, scan

LENGTHS = [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 1, 101, CHUNK**2 - 1, CHUNK**2 + 1, 600]
"""The last ones are longer than any memory of TARGET rows, and scan over chunks of chunks."""
TARGET = 16


def make(
    width: int = 6, state: int = 40, target: int = TARGET, bidirectional: bool = False, irregular: bool = False
) -> S5Operator:
    torch.manual_seed(state)
    return S5Operator(width, state, target, bidirectional, irregular)


def rows_of(*shape: int) -> Rows:
    """Return rows of 1 to 90 bases, some past the length of the largest step."""
    lengths = torch.randint(1, 91, shape, generator=torch.Generator().manual_seed(sum(shape)))
    return Rows(lengths.cumsum(1) - lengths, lengths)


def assert_near(ours: torch.Tensor, exact: torch.Tensor) -> None:
    """Compare within 1e-5 of the RMS."""
    assert (ours - exact).abs().max() <= 1e-5 * exact.double().pow(2).mean().sqrt() + 1e-7


@pytest.mark.parametrize("irregular", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
def test_outputs_and_gradients_are_those_of_the_float64_recurrence(
    length: int, bidirectional: bool, irregular: bool
) -> None:
    space = make(bidirectional=bidirectional, irregular=irregular).ssm
    parameters = dict(space.named_parameters())
    u, upstream = torch.randn(2, length, 6, requires_grad=True), torch.randn(2, length, 6)
    wanted, lengths = [u, *parameters.values()], rows_of(2, length).lengths if irregular else None
    results = []
    for y in (space(u, None, lengths)[0], reference.state_space(u, **parameters, lengths=lengths)):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted)))
    assert results[0][0].dtype == torch.float32
    for ours, exact in zip(*results, strict=True):
        assert_near(ours, exact)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("length", [1, CHUNK + 1, 200])
def test_the_operator_gates_the_gelu_of_the_state_space(length: int, bidirectional: bool) -> None:
    operator = make(bidirectional=bidirectional)
    x, upstream = torch.randn(2, length, 6, requires_grad=True), torch.randn(2, length, 6)
    y = torch.nn.functional.gelu(reference.state_space(x, **dict(operator.ssm.named_parameters())))
    exact = y * torch.sigmoid(y @ operator.gate.weight.double().T + operator.gate.bias.double())
    wanted = [x, *operator.parameters()]
    results = []
    for y in (operator(x), exact):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted)))
    for ours, theirs in zip(*results, strict=True):
        assert_near(ours, theirs)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
@torch.no_grad()
def test_states_are_those_of_a_zero_padded_convolution(length: int, reverse: bool) -> None:
    decay, turn, _ = make().ssm.exponents()
    inputs = torch.randn(len(decay), 2, 3, length)
    exponent = torch.complex(decay, turn)
    kernel = torch.exp(exponent[:, None, None] * torch.arange(length))  # (n, 1, p)
    signal = torch.complex(*inputs.double().unbind(1))
    signal = signal.flip(-1) if reverse else signal
    size = 2 * length
    states = torch.fft.ifft(torch.fft.fft(signal, n=size) * torch.fft.fft(kernel, n=size))[..., :length]
    states = states.flip(-1) if reverse else states
    assert_near(scan(inputs, decay, turn, reverse)[0], torch.stack([states.real, states.imag], 1))


@pytest.mark.parametrize("step", [1e-6, 1e-4, 1e-2, 0.1])
@torch.no_grad()
def test_65536_rows_are_scanned_as_the_float64_recurrence_and_a_convolution_have_them(step: float) -> None:
    rate = torch.complex(torch.full((3,), -0.5), torch.tensor([0.3, 9.0, 28.0])).to(torch.complex128)
    length, exponent = 65_536, rate * step
    inputs = torch.randn(3, 2, 1, length, generator=torch.Generator().manual_seed(0))
    signal = torch.complex(*inputs[:, :, 0].double().unbind(1))  # (n, p)
    kernel = torch.exp(exponent[:, None] * torch.arange(length))
    size = 2 * length
    convolved = torch.fft.ifft(torch.fft.fft(signal, n=size) * torch.fft.fft(kernel, n=size))[:, :length]
    factor, x, rows = np.exp(exponent.numpy()), np.zeros(3, complex), []
    for row in signal.T.numpy():
        x = factor * x + row
        rows.append(x)
    recurrent = torch.from_numpy(np.stack(rows, 1))
    torch.testing.assert_close(convolved, recurrent, rtol=0, atol=1e-9 * float(recurrent.abs().max()))
    every = torch.full((3, 1, length), 1.0, dtype=torch.float64)
    decay, turn = exponent.real, exponent.imag
    by_row = scan_rows(inputs, decay[:, None, None] * every, turn[:, None, None] * every)
    for ours in (scan(inputs, decay, turn)[0], by_row):
        for mine, exact in zip(torch.complex(*ours[:, :, 0].double().unbind(1)), recurrent, strict=True):
            assert (mine - exact).abs().max() <= 1e-5 * exact.abs().pow(2).mean().sqrt()


@pytest.mark.parametrize("irregular", [False, True])
@pytest.mark.parametrize("target", [16, 512])
def test_all_rows_at_once_are_random_cuts_are_single_steps(target: int, irregular: bool) -> None:
    operator = make(8, 64, target, irregular=irregular)
    x, geometry = torch.randn(2, 300, 8), rows_of(2, 300)
    lengths = geometry.lengths if irregular else None

    def part(first: int, last: int) -> Rows:
        return Rows(geometry.places[:, first:last], geometry.lengths[:, first:last])

    with torch.no_grad():
        whole = operator(x, geometry)
        exact = reference.state_space(x, **dict(operator.ssm.named_parameters()), lengths=lengths)
        cuts = sorted(torch.randperm(299)[:9].add(1).tolist())
        state, parts = operator.initial_state(2), []
        for first, last in zip([0, *cuts], [*cuts, 300], strict=True):
            y, state = operator.extend(x[:, first:last], part(first, last), state)
            parts.append(y)
        assert_near(torch.cat(parts, 1), whole)
        single, rows = operator.initial_state(2), []
        for row in range(300):
            y, single = operator.extend(x[:, row : row + 1], part(row, row + 1), single)
            rows.append(y)
        assert_near(torch.cat(rows, 1), whole)
        assert_near(single.values, state.values)
        assert_near(operator.ssm(x, None, lengths)[0], exact)


@pytest.mark.parametrize("irregular", [False, True])
def test_a_carried_state_passes_its_gradient_on(irregular: bool) -> None:
    space = make(irregular=irregular).ssm
    u, lengths = torch.randn(1, 40, 6, requires_grad=True), rows_of(1, 40).lengths
    upstream = torch.randn(1, 40, 6)
    first, state = space(u[:, :23], None, lengths[:, :23])
    second, _ = space(u[:, 23:], state, lengths[:, 23:])
    cut = torch.autograd.grad((torch.cat([first, second], 1) * upstream).sum(), [u, *space.parameters()])
    whole = torch.autograd.grad((space(u, None, lengths)[0] * upstream).sum(), [u, *space.parameters()])
    for ours, theirs in zip(cut, whole, strict=True):
        assert_near(ours, theirs)


def test_a_later_row_never_reaches_an_earlier_one() -> None:
    operator = make()
    x = torch.randn(1, 70, 6, requires_grad=True)
    y = operator(x)
    for row in (0, 15, 16, 50, 68):
        other = x.detach().clone()
        other[:, row + 1 :] = torch.randn(1, 69 - row, 6)
        change = (operator(other) - y)[0].abs().amax(-1)
        assert change[: row + 1].max() == 0
        assert change[row + 1 :].min() > 1e-4
        reach = torch.autograd.grad(y[0, row].sum(), x, retain_graph=True)[0][0].abs().amax(-1)
        assert reach[row + 1 :].sum() == 0
        assert reach[: row + 1].min() > 0


def test_a_bidirectional_row_reads_all_rows() -> None:
    operator = make(bidirectional=True)
    x = torch.randn(1, 40, 6, requires_grad=True)
    reach = torch.autograd.grad(operator(x)[0, 17].sum(), x)[0][0].abs().amax(-1)
    assert reach.min() > 0


@pytest.mark.parametrize("irregular", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_padded_row_is_the_row_alone(bidirectional: bool, irregular: bool) -> None:
    operator = make(bidirectional=bidirectional, irregular=irregular)
    lengths, rows = [1, 16, 33, 90], rows_of(4, 100)
    present = torch.arange(100) < torch.tensor(lengths)[:, None]
    x = torch.randn(4, 100, 6).masked_fill(~present[..., None], torch.nan).requires_grad_()
    y = operator(x, Rows(rows.places, rows.lengths * present))
    for row, length in enumerate(lengths):
        alone = Rows(rows.places[row : row + 1, :length], rows.lengths[row : row + 1, :length])
        assert_near(y[row, :length], operator(x[row : row + 1, :length].detach(), alone)[0])
    gradient = torch.autograd.grad(y[present].sum(), x)[0]
    assert gradient[~present].abs().sum() == 0
    assert gradient[present].abs().amax(-1).min() > 0


def test_lag_zero_counts_once_through_both_directions() -> None:
    both, causal = make(bidirectional=True).ssm, make().ssm
    causal.load_state_dict({name: value for name, value in both.state_dict().items() if name != "out_ahead"})
    impulse = torch.zeros(1, 41, 6)
    impulse[0, 20] = torch.randn(6)
    torch.testing.assert_close(both(impulse)[0][:, 20:], causal(impulse)[0][:, 20:], atol=1e-6, rtol=0)
    assert both(impulse)[0][0, :20].abs().amax(-1).min() > 1e-4
    assert causal(impulse)[0][0, :20].abs().max() == 0


def test_the_mirror_of_a_signal_has_the_mirror_of_its_output() -> None:
    space = make(bidirectional=True).ssm
    with torch.no_grad():
        space.out_ahead.copy_(space.out)
    u = torch.randn(2, 75, 6)
    assert_near(space(u.flip(1))[0].flip(1), space(u)[0])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_nothing_is_kept_from_the_first_length(bidirectional: bool) -> None:
    operator = make(bidirectional=bidirectional)
    short, long = torch.randn(1, 9, 6), torch.randn(1, 400, 6)
    before = operator(short)
    after_short = operator(long)
    assert torch.equal(operator(short), before)
    assert torch.equal(make(bidirectional=bidirectional)(long), after_short)


@pytest.mark.parametrize("step", [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1])
def test_the_hold_keeps_its_digits_at_any_step(step: float) -> None:
    frequency = torch.tensor([0.0, 0.1, 1.0, 9.0, 28.0], dtype=torch.float64)
    decay, turn = torch.full((5,), -0.5, dtype=torch.float64) * step, frequency * step
    z = torch.complex(decay, turn)
    exact, term = torch.zeros_like(z), torch.ones_like(z)
    for k in range(60):  # (exp(z) - 1) / z = sum of z^k / (k+1)!
        exact, term = exact + term, term * z / (k + 2)
    exact = exact * step
    ours = hold(decay.float(), turn.float(), torch.full((5,), step))
    error = (torch.complex(*ours.double().unbind(1)) - exact).abs() / exact.abs()
    assert ours.dtype == torch.float32
    assert error.max() < 5e-7
    if step == 1e-7:
        small = z.to(torch.complex64)
        naive = (torch.exp(small) - 1) / torch.complex(torch.full((5,), -0.5), frequency.float())
        assert ((naive - exact).abs() / exact.abs()).max() > 0.15


@pytest.mark.parametrize("size", [2, 8, 32])
def test_eigenpairs_rebuild_the_normal_part_of_legs(size: int) -> None:
    normal = legs_normal(size)
    np.testing.assert_allclose((normal + normal.T) / 2, -np.eye(size) / 2, atol=1e-12)
    low_rank = np.sqrt(np.arange(size) + 0.5)
    legs = normal - np.outer(low_rank, low_rank)
    np.testing.assert_allclose(np.triu(legs, 1), 0, atol=1e-12)
    np.testing.assert_allclose(np.diag(legs), -np.arange(1, size + 1))
    assert legs[1, 0] == pytest.approx(-math.sqrt(3))
    frequencies, vectors = eigenpairs(size)
    assert (frequencies > 0).all()
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(size // 2), atol=1e-10)
    half = (vectors * (-0.5 + 1j * frequencies)) @ vectors.conj().T
    np.testing.assert_allclose(2 * half.real, normal, atol=1e-9 * np.abs(normal).max())
    # No dependence on our real parts: the eigenvalues of the matrix itself.
    np.testing.assert_allclose(np.linalg.eigvals(normal).real, -0.5, atol=1e-8)


def longest(frequency: torch.Tensor) -> torch.Tensor:
    return (0.9 * math.pi / frequency.double().abs()).clamp_max(0.1)


def test_the_kept_half_is_the_dense_real_system() -> None:
    torch.manual_seed(0)
    space = StateSpace(3, 8, 64, False)
    step = 0.01
    bound = longest(space.frequency.detach())
    with torch.no_grad():
        space.log_step.copy_(bound.log() + torch.logit(step / bound))
        space.skip.zero_()
    vectors = torch.from_numpy(block_diagonal(8)[1])
    into, out = (torch.complex(*pairs.detach().double().unbind(1)) for pairs in (space.into, space.out))
    dense_into, dense_out = 2 * (vectors @ into).real, 2 * (vectors.conj() @ out).real  # B0 and C0 transposed
    dense = torch.from_numpy(legs_normal(8))
    carry = torch.linalg.matrix_exp(dense * step)
    held = torch.linalg.solve(dense, (carry - torch.eye(8)) @ dense_into)
    u = torch.randn(1, 50, 3)
    x, rows = torch.zeros(8, dtype=torch.float64), []
    for row in u[0].double():
        x = carry @ x + held @ row
        rows.append(dense_out.T @ x)
    assert_near(space(u)[0][0], torch.stack(rows))


@pytest.mark.parametrize("state", [64, 256])
def test_first_weights_keep_the_variance_of_their_inputs(state: int) -> None:
    torch.manual_seed(0)
    space = StateSpace(96, state, 64, True)
    for weights, inputs in ((space.into, 96), (space.out, state), (space.out_ahead, state)):
        assert weights.detach().square().sum(1).mean() * inputs == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(("state", "sizes"), [(2, [2]), (32, [32]), (34, [18, 16]), (64, [32, 32]), (70, [24, 24, 22])])
def test_a_state_is_cut_into_even_blocks_of_at_most_32(state: int, sizes: list[int]) -> None:
    assert block_sizes(state) == sizes
    frequencies, vectors = block_diagonal(state)
    assert frequencies.shape == (state // 2,)
    np.testing.assert_allclose(vectors.conj().T @ vectors, np.eye(state // 2), atol=1e-10)
    assert frequencies.max() == pytest.approx(eigenpairs(sizes[0])[0].max())
    space = StateSpace(4, state, 64, False)
    torch.testing.assert_close(space.frequency.detach().double(), torch.from_numpy(frequencies), rtol=1e-6, atol=0)
    torch.testing.assert_close(space.log_decay.exp(), torch.full((state // 2,), 0.5))


@pytest.mark.parametrize("target", [8, 128, 4096])
def test_first_steps_lie_between_the_wanted_memory_and_the_bound(target: int) -> None:
    torch.manual_seed(0)
    space = StateSpace(2, 512, target, False)
    step = space.exponents()[2].detach()
    bound = longest(space.frequency.detach())
    assert (step < bound).all()
    assert (step >= (bound / 2).clamp_max(2 / target) * (1 - 1e-5)).all()
    if target == 4096:
        spread = (step.log() - math.log(2 / target)) / (bound.log() - math.log(2 / target))
        assert 0.4 < spread.mean() < 0.6
        assert spread.min() < 0.05


def test_no_step_aliases_however_far_training_pushes_it() -> None:
    operator = make(4, 64)
    with torch.no_grad():
        operator.ssm.log_step += 3
    operator(torch.randn(1, 30, 4)).square().sum().backward()
    assert operator.ssm.log_step.grad.abs().min() > 0
    with torch.no_grad():
        operator.ssm.log_step += 200
        operator.ssm.frequency[:4] = torch.tensor([0.0, 1e-3, -50.0, 1e4])
    _, turn, step = operator.ssm.exponents()
    assert (turn.abs() <= 0.9 * math.pi * (1 + 1e-9)).all()
    assert (step <= 0.1 * (1 + 1e-9)).all()
    x = torch.randn(1, 300, 4)
    y = operator(x)
    assert y.isfinite().all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(y.sum(), list(operator.parameters())))


class Dtypes(TorchDispatchMode):
    """Note the dtype of every tensor that any operation reads or makes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, set[torch.dtype]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        leaves = torch.utils._pytree.tree_leaves((args, kwargs, out))
        tensors = {leaf.dtype for leaf in leaves if isinstance(leaf, torch.Tensor)}
        self.seen.setdefault(func.overloadpacket.__name__, set()).update(tensors)
        return out


@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_complex_number_enters_forward_or_backward(bidirectional: bool) -> None:
    operator = make(bidirectional=bidirectional)
    x = torch.randn(2, 50, 6, requires_grad=True)
    with Dtypes() as dtypes:
        operator(x).sum().backward()
        if not bidirectional:
            operator.extend(x[:, :1], None, operator.initial_state(2))
    assert {"bmm", "gelu_backward"} <= set(dtypes.seen)
    assert not any(dtype.is_complex for seen in dtypes.seen.values() for dtype in seen)
    assert all(parameter.dtype == torch.float32 for parameter in operator.parameters())


def test_the_state_stays_float32_under_autocast() -> None:
    operator = make()
    x, state = torch.randn(1, 40, 6), torch.randn(1, 20, 2)
    with torch.no_grad():
        expected, one = operator.ssm(x, state), operator.ssm.step(x[:, 0], state)
        whole = operator(x)
        with torch.autocast("cpu", torch.bfloat16):
            for ours, theirs in zip(
                operator.ssm(x, state) + operator.ssm.step(x[:, 0], state), expected + one, strict=True
            ):
                assert torch.equal(ours, theirs)
            y = operator(x.bfloat16())
            assert y.dtype == torch.bfloat16
            after = operator.extend(x.bfloat16(), None, operator.initial_state(1)._replace(values=state))[1]
            assert after.values.dtype == torch.float32
    assert (y - whole).abs().max() < 0.03 * whole.abs().max()


def saved_bytes(operator: S5Operator, length: int) -> int:
    """Return the bytes kept for the backward pass, without those of the weights and of the input."""
    x, rows = torch.randn(1, length, operator.gate.in_features, requires_grad=True), rows_of(1, length)
    sizes, known = {}, {t.untyped_storage().data_ptr() for t in (x, rows.lengths, *operator.parameters())}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = operator(x, rows)
    assert y.requires_grad
    return sum(size for place, size in sizes.items() if place not in known)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_of_the_states_only_one_row_a_chunk_is_kept_for_the_backward_pass(bidirectional: bool) -> None:
    width, state = 2, 64
    operator = make(width, state, bidirectional=bidirectional)
    short, long = (saved_bytes(operator, length) for length in (1024, 5120))
    scans = 2 if bidirectional else 1
    a_row = 4 * (scans * state / CHUNK + 6 * width)  # states, and what the skip, the GELU and the gate keep
    assert 4 * scans * state / CHUNK < (long - short) / 4096 <= a_row + 1


def test_irregular_steps_keep_no_states_for_the_backward_pass() -> None:
    operator = make(2, 64, irregular=True)
    short, long = (saved_bytes(operator, length) for length in (1024, 5120))
    assert (long - short) / 4096 < 4 * 64 / 2


@torch.no_grad()
def test_the_monitor_reads_poles_steps_and_turns() -> None:
    operators = torch.nn.ModuleList([make(), make(6, 64, 1024)])
    numbers = monitor(operators)
    rates = [torch.complex(-s.log_decay.double().exp(), s.frequency.double()) for s in (o.ssm for o in operators)]
    steps = [o.ssm.exponents()[2] for o in operators]
    poles = torch.cat([torch.exp(rate * step).abs() for rate, step in zip(rates, steps, strict=True)])
    assert numbers["pole_radius"] == pytest.approx(float(poles.max()))
    assert numbers["pole_radius"] < 1
    assert numbers["shortest_step"] == pytest.approx(float(torch.cat(steps).min()))
    assert numbers["longest_step"] == pytest.approx(float(torch.cat(steps).max()))
    turns = [float((rate.imag * step).max()) for rate, step in zip(rates, steps, strict=True)]
    assert numbers["largest_turn"] == pytest.approx(max(turns))
    assert all(type(value) is float for value in numbers.values())
    assert monitor(torch.nn.Linear(2, 2)) == {}


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="S5's state is 7"):
        S5Operator(4, state=7)
    both = make(bidirectional=True)
    state = make().initial_state(1)
    with pytest.raises(UsageError, match="bidirectional"):
        both.initial_state(1)
    with pytest.raises(UsageError, match="bidirectional"):
        both.extend(torch.zeros(1, 3, 6), None, state)
