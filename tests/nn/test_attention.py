import pytest
import torch

from genomelm.errors import UsageError
from genomelm.nn.attention import SlidingAttention
from genomelm.nn.attention.portable import BLOCK
from genomelm.nn.attention.reference import attention as reference
from genomelm.nn.positions import rotate
from genomelm.nn.rows import Rows

LENGTHS = [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 9]
WINDOWS = [0, 1, 2, 5, BLOCK, BLOCK + 3, 1000]


def rows_of(*lengths: int, seed: int = 0) -> Rows:
    """Rows of so many patches of 1 to 20 bases each, padded to the longest."""
    sizes = torch.randint(1, 21, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(seed))
    sizes = sizes * (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])
    return Rows(sizes.cumsum(1) - sizes, sizes)


def make(window: int, bidirectional: bool = False, **options) -> SlidingAttention:
    torch.manual_seed(window)
    return SlidingAttention(12, 2, window, 4000.0, bidirectional, **options)


def naive(operator: SlidingAttention, x: torch.Tensor, rows: Rows) -> torch.Tensor:
    query, key, value = operator.into(x).unflatten(-1, (3, 2, 6)).unbind(2)
    query, key = (rotate(part, rows.places, operator.rotary_base) for part in (query, key))
    y = reference(query, key, value, rows.present, operator.window, operator.bidirectional)
    y = y.flatten(-2) @ operator.out.weight.double().T
    return y if operator.gate is None else y * torch.sigmoid(operator.gate(x).double())


def near(ours: torch.Tensor, exact: torch.Tensor) -> None:
    assert (ours - exact).abs().max() <= 1e-5 * exact.double().pow(2).mean().sqrt() + 1e-6


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("length", LENGTHS)
def test_outputs_and_gradients_are_those_of_masked_dense_attention(length, window, bidirectional) -> None:
    operator = make(window, bidirectional, output_gate=length == 2)
    rows = rows_of(length, -(-length // 2))
    x, upstream = torch.randn(2, length, 12, requires_grad=True), torch.randn(2, length, 12)
    upstream = upstream * rows.present[..., None]
    wanted = [x, *operator.parameters()]
    results = []
    for y in (operator(x, rows), naive(operator, x, rows)):
        y = y.masked_fill(~rows.present[..., None], 0)
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted, materialize_grads=True)))
    for ours, exact in zip(*results, strict=True):
        near(ours, exact)


@pytest.mark.parametrize("window", WINDOWS)
def test_all_rows_at_once_are_random_cuts_are_single_rows(window: int) -> None:
    operator, rows = make(window), rows_of(200, 200)
    x = torch.randn(2, 200, 12)
    with torch.no_grad():
        whole = operator(x, rows)
        for cuts in ([], [1, 3, 80, 81, 199], list(range(1, 200))):
            state, parts = operator.initial_state(2), []
            for first, last in zip([0, *cuts], [*cuts, 200], strict=True):
                part = Rows(rows.places[:, first:last], rows.lengths[:, first:last])
                y, state = operator.extend(x[:, first:last], part, state)
                parts.append(y)
            near(torch.cat(parts, 1), whole)
    assert (state.key.shape[1] if window else state.longest) == (window - 1 if window else 200)
    assert operator.constant_state == (window > 0)
    if window:
        assert state.key.untyped_storage().nbytes() == state.key.nbytes  # not a view of a long text


@pytest.mark.parametrize("window", [0, 5, BLOCK + 3])
def test_a_later_row_never_reaches_an_earlier_one_and_the_window_ends(window: int) -> None:
    operator, rows = make(window), rows_of(150)
    x = torch.randn(1, 150, 12)
    with torch.no_grad():
        y = operator(x, rows)
        for row in (0, 63, 64, 100):
            other = x.clone()
            other[:, row] = torch.randn(12)
            change = (operator(other, rows) - y)[0].abs().amax(-1)
            last = row + window if window else 150
            assert change[:row].sum() == 0
            assert change[row:last].min() > 0
            assert change[last:].sum() == 0


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("window", [0, 3, BLOCK])
def test_a_padded_row_is_the_row_alone(window: int, bidirectional: bool) -> None:
    operator, lengths = make(window, bidirectional, output_gate=True), (1, 30, 64, 200)
    rows = rows_of(*lengths)
    x = torch.randn(4, 200, 12).masked_fill(~rows.present[..., None], torch.nan).requires_grad_()
    y = operator(x, rows)
    for row, length in enumerate(lengths):
        part = Rows(rows.places[row : row + 1, :length], rows.lengths[row : row + 1, :length])
        near(y[row, :length], operator(x[row : row + 1, :length].detach(), part)[0])
    y = torch.where(rows.present[..., None], y, 0)
    gradients = torch.autograd.grad(y.square().sum(), [x, *operator.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0][~rows.present].abs().sum() == 0


def test_a_record_without_rows_harms_nothing() -> None:
    rows = Rows(torch.zeros(2, 5, dtype=torch.int64), torch.tensor([[0] * 5, [3] * 5]))
    for window in (0, 2):
        operator = make(window, bidirectional=True)
        y = operator(torch.randn(2, 5, 12), rows)
        assert y.isfinite().all()
        assert all(g.isfinite().all() for g in torch.autograd.grad(y.sum(), list(operator.parameters())))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("window", [0, 3])
def test_no_row_is_handed_to_the_kernel_without_a_key(monkeypatch, window: int, bidirectional: bool) -> None:
    masks, kernel = [], torch.nn.functional.scaled_dot_product_attention

    def noting(query, key, value, mask=None, **options):
        masks.append(mask)
        return kernel(query, key, value, mask, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", noting)
    rows = Rows(torch.zeros(2, 200, dtype=torch.int64), torch.tensor([[0] * 200, [3] * 10 + [0] * 190]))
    make(window, bidirectional)(torch.randn(2, 200, 12), rows)
    assert (masks == [None]) == (window == 0 and not bidirectional)
    assert all(mask.any(-1).all() for mask in masks if mask is not None)


def test_only_differences_of_places_count_and_they_do() -> None:
    operator, rows = make(20), rows_of(100)
    x = torch.randn(1, 100, 12)
    near(operator(x, Rows(rows.places + 5000, rows.lengths)), operator(x, rows))
    assert (operator(x, Rows(rows.places * 2, rows.lengths)) - operator(x, rows)).abs().max() > 1e-3


def kept(operator: SlidingAttention, length: int) -> int:
    sizes = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    rows = rows_of(length)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        assert operator(torch.randn(1, length, 12), rows).requires_grad
    return sum(sizes.values())


@pytest.mark.parametrize("bidirectional", [False, True])
def test_memory_is_linear_in_rows(bidirectional: bool) -> None:
    operator = make(32, bidirectional)
    least, short, long = (kept(operator, length) for length in (512, 1024, 2048))
    assert 0 < long - short <= 2.01 * (short - least)


def test_bf16_stays_within_two_percent_of_float32() -> None:
    """Tolerance: root mean square of the difference at most 2 % of the output's own."""
    for window in (0, 10):
        operator, rows, x = make(window), rows_of(150), torch.randn(1, 150, 12)
        exact = operator(x, rows)
        with torch.autocast("cpu", torch.bfloat16):
            error = operator(x, rows) - exact
            extended, _ = operator.extend(x, rows, operator.initial_state(1))
        assert 0 < error.pow(2).mean().sqrt() <= 0.02 * exact.pow(2).mean().sqrt()
        assert (extended - exact).pow(2).mean().sqrt() <= 0.02 * exact.pow(2).mean().sqrt()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="does not split into 4 attention heads"):
        SlidingAttention(12, 4)
    with pytest.raises(UsageError, match="bidirectional"):
        make(4, bidirectional=True).initial_state(1)
