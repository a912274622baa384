"""Plans of packed rows: each piece in one row, rows that hold what has room, and nearly full."""

from collections import Counter

import numpy as np
import pytest

from genomelm.training.row_plan import packed_classes, planned, row_room, slots_of

REACH = 32


def plan_of(sizes: np.ndarray, window: int):
    """Return a plan for pieces of these sizes, and the slots of its classes."""
    classes, room = packed_classes(window, REACH), row_room(window, REACH)
    counts = np.bincount(np.searchsorted(classes, sizes), minlength=len(classes))
    slots = np.minimum(slots_of(classes, REACH), room)
    return planned(slots, counts, room), slots, counts


def first_fit_decreasing(slots: list[int], room: int) -> int:
    """Return how many rows pieces of these slots need when each goes to the first row that has room, longest first."""
    free: list[int] = []
    for slot in sorted(slots, reverse=True):
        row = next((row for row, left in enumerate(free) if left >= slot), None)
        if row is None:
            free.append(room - slot)
        else:
            free[row] -= slot
    return len(free)


@pytest.mark.parametrize("window", [100, 1024, 5000])
@pytest.mark.parametrize("longest", [30, 150, 5000])
def test_each_piece_is_in_one_row_and_has_room_there(window, longest):
    sizes = np.minimum(np.random.default_rng(longest).integers(1, longest + 1, 700), window)
    plan, slots, counts = plan_of(sizes, window)
    rows = np.arange(plan.edges[-1])
    owners, within, held = plan.places(rows)
    assert held.min() >= 1
    assert held.sum() == len(sizes)
    found = Counter(zip(owners.tolist(), within.tolist(), strict=True))
    assert found == {(kind, number): 1 for kind, count in enumerate(counts) for number in range(count)}
    filled = np.add.reduceat(slots[owners], np.cumsum(held) - held)
    assert filled.max() <= row_room(window, REACH)
    some = np.random.default_rng(1).permutation(rows)[:20]
    assert np.array_equal(
        plan.places(some)[0], np.concatenate([owners[held[:row].sum() :][: held[row]] for row in some])
    )


@pytest.mark.parametrize(("least", "longest", "window"), [(50, 150, 1024), (30, 400, 1024), (200, 2000, 2048)])
def test_a_plan_needs_hardly_more_rows_than_first_fit_decreasing_over_the_pieces(least, longest, window):
    sizes = np.random.default_rng(5).integers(least, longest + 1, 3000)
    plan, slots, counts = plan_of(sizes, window)
    whole = first_fit_decreasing(np.repeat(slots, counts).tolist(), row_room(window, REACH))
    assert plan.edges[-1] <= 1.01 * whole + 1


@pytest.mark.parametrize(("least", "longest", "window", "most"), [(50, 150, 1024, 0.26), (200, 2000, 2048, 0.06)])
def test_little_of_a_row_is_padding_besides_what_keeps_records_apart(least, longest, window, most):
    sizes = np.random.default_rng(5).integers(least, longest + 1, 20_000)
    plan, *_ = plan_of(sizes, window)
    assert 1 - (sizes + 1).sum() / (plan.edges[-1] * (window + 1)) < most


def test_classes_are_fine_but_few():
    for window in (16, 100, 1024, 1 << 20):
        classes = packed_classes(window, REACH)
        assert classes[-1] == window
        assert (np.diff(classes) > 0).all()
        assert len(classes) < 800
        slots = slots_of(classes, REACH)
        assert (np.diff(slots) <= np.maximum(8, slots[:-1] / 64)).all()
