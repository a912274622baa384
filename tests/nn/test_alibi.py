"""Attention that loses with distance in bases, against loops in float64."""

import pytest
import torch

from genomelm.nn.attention import SlidingAttention, portable
from genomelm.nn.attention.reference import attention as reference
from genomelm.nn.rows import Rows

LENGTHS = [1, 2, 64, 65, 101]
WINDOWS = [0, 5, 64]


def rows_of(*lengths: int) -> Rows:
    """Rows of so many patches of 1 to 20 bases each, padded to the longest."""
    sizes = torch.randint(1, 21, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(0))
    sizes = sizes * (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])
    return Rows(sizes.cumsum(1) - sizes, sizes)


def make(window: int, bidirectional: bool = False) -> SlidingAttention:
    torch.manual_seed(window)
    return SlidingAttention(12, 3, window, None, bidirectional, alibi=True)


def naive(operator: SlidingAttention, x: torch.Tensor, rows: Rows) -> torch.Tensor:
    query, key, value = operator.into(x).unflatten(-1, (3, 3, 4)).unbind(2)
    y = reference(query, key, value, rows.present, operator.window, operator.bidirectional, rows.places)
    return y.flatten(-2) @ operator.out.weight.double().T


def near(ours: torch.Tensor, exact: torch.Tensor) -> None:
    assert (ours - exact).abs().max() <= 1e-5 * exact.double().pow(2).mean().sqrt() + 1e-6


@pytest.fixture
def short_slices(monkeypatch) -> None:
    monkeypatch.setattr(portable, "SLICE", 32)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("length", LENGTHS)
def test_outputs_and_gradients_are_those_of_the_loops(short_slices, length: int, window: int, bidirectional) -> None:
    operator, rows = make(window, bidirectional), rows_of(length, -(-length // 2))
    x, upstream = torch.randn(2, length, 12, requires_grad=True), torch.randn(2, length, 12)
    wanted = [x, *operator.parameters()]
    results = []
    for y in (operator(x, rows), naive(operator, x, rows)):
        results.append((y, *torch.autograd.grad((y * upstream).sum(), wanted, materialize_grads=True)))
    for ours, exact in zip(*results, strict=True):
        near(ours, exact)


@pytest.mark.parametrize("window", WINDOWS)
def test_all_rows_at_once_are_random_cuts_are_single_rows(short_slices, window: int) -> None:
    operator, rows, x = make(window), rows_of(150, 150), torch.randn(2, 150, 12)
    with torch.no_grad():
        whole = operator(x, rows)
        for cuts in ([], [1, 3, 80, 81, 149], list(range(1, 150))):
            state, parts = operator.initial_state(2), []
            for first, last in zip([0, *cuts], [*cuts, 150], strict=True):
                part = Rows(rows.places[:, first:last], rows.lengths[:, first:last])
                y, state = operator.extend(x[:, first:last], part, state)
                parts.append(y)
            near(torch.cat(parts, 1), whole)


def test_distance_counts_in_bases_whatever_lies_before() -> None:
    operator, rows, x = make(0), rows_of(60), torch.randn(1, 60, 12)
    with torch.no_grad():
        y = operator(x, rows)
        near(operator(x, Rows(rows.places + 10**6, rows.lengths)), y)
        assert (operator(x, Rows(rows.places * 2, rows.lengths)) - y).abs().max() > 1e-3


def test_penalties_of_all_pairs_are_not_kept_for_the_backward_pass() -> None:
    """Twice the rows are four times the pairs; what is kept grows as the rows do."""
    kept = []
    for length in (1024, 2048):
        operator, sizes = make(0), {}

        def keep(tensor: torch.Tensor, sizes: dict = sizes) -> torch.Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = operator(torch.randn(1, length, 12), rows_of(length))
        assert y.requires_grad
        kept.append(sum(sizes.values()))
    assert kept[1] <= 2.1 * kept[0]


def test_bf16_stays_near_float32() -> None:
    operator, rows, x = make(0), rows_of(100), torch.randn(1, 100, 12)
    with torch.no_grad():
        exact = operator(x, rows)
        with torch.autocast("cpu", torch.bfloat16):
            error = operator(x, rows) - exact
    assert 0 < error.pow(2).mean().sqrt() <= 0.02 * exact.pow(2).mean().sqrt()
