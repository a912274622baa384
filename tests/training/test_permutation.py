"""A permutation by place sends each place to another, whatever the size."""

import numpy as np
import pytest

from genomelm.runtime import counter_seed
from genomelm.training.permutation import ROUNDS, hashed, permuted


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 17, 64, 1000, 4097])
def test_every_place_is_reached_once(count):
    found = permuted(np.arange(count), count, "seed", 1)
    assert sorted(found.tolist()) == list(range(count))
    some = np.arange(count)[::3]
    assert np.array_equal(permuted(some, count, "seed", 1), found[::3])


def test_several_permutations_at_once_are_each_one():
    sizes = [5, 17, 1, 64, 17]
    kinds = np.repeat(np.arange(5), sizes)
    places = np.concatenate([np.arange(size) for size in sizes])
    order = np.random.default_rng(1).permutation(len(places))
    found = np.empty_like(places)
    found[order] = permuted(places[order], np.array(sizes)[kinds[order]], "x", kinds=kinds[order])
    for kind, size in enumerate(sizes):
        assert sorted(found[kinds == kind].tolist()) == list(range(size))
        assert np.array_equal(found[kinds == kind], permuted(np.arange(size), size, "x", kinds=kind))
    assert not np.array_equal(found[kinds == 1], found[kinds == 4])


def test_counters_choose_the_order():
    orders = {tuple(permuted(np.arange(50), 50, "x", epoch)) for epoch in range(20)}
    assert len(orders) == 20


def test_neighbours_do_not_stay_neighbours():
    found = permuted(np.arange(10_000), 10_000, 3)
    assert abs(np.corrcoef(np.arange(10_000), found)[0, 1]) < 0.05
    assert (np.abs(np.diff(found)) < 10).mean() < 0.01
    assert np.mean(np.abs(np.diff(found))) == pytest.approx(3333, rel=0.05)


def test_ranges_that_no_memory_holds_are_fine():
    count = 10**15
    found = permuted(np.array([0, 1, 2, count - 1]), count, "big")
    assert len(set(found.tolist())) == 4
    assert found.min() >= 0
    assert found.max() < count


def test_hashes_are_spread_evenly():
    bits = (hashed(np.arange(20_000), "x") & 1).astype(int)
    assert bits.mean() == pytest.approx(0.5, abs=0.02)
    assert not np.array_equal(bits, hashed(np.arange(20_000), "y") & 1)


def test_places_go_where_the_network_in_whole_numbers_sends_them():
    word = (1 << 64) - 1

    def spread(x: int) -> int:
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & word
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB & word
        return x ^ (x >> 31)

    def sent(place: int, count: int, kind: int) -> int:
        half = max(1, -(-(count - 1).bit_length() // 2))
        while True:
            left, right = place >> half, place & ((1 << half) - 1)
            for number in range(ROUNDS):
                mixed = spread(((right + counter_seed("round", number, "x", 7)) & word) ^ spread(kind))
                left, right = right, left ^ (mixed & ((1 << half) - 1))
            place = (left << half) | right
            if place < count:
                return place

    for count in (1, 6, 1000, 3**30):
        places = np.random.default_rng(count).integers(0, count, 40)
        found = permuted(places, count, "x", 7, kinds=3)
        assert found.tolist() == [sent(place, count, 3) for place in places.tolist()]
