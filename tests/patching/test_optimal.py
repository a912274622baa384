import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mode_cases import all_edges, breaks_of, cases, rules, scores
from plain_rules import allowed_cuts, best_by_recursion, best_cut, check_limits, every_cut, lengths_of, mirrored, worth

from genomelm.errors import UsageError
from genomelm.patching.breaks import Breaks
from genomelm.patching.modes import NO_EDGES, START, Edges, edges_of, mark, segment
from genomelm.patching.optimal import ANCHOR, anchors, value_of
from genomelm.patching.rule import Rule

OPTIMAL = ("optimal",)


@st.composite
def symmetric_cases(draw, most: int = 11, own_mirror: bool | None = None) -> tuple[np.ndarray, Rule]:
    """Scores and a symmetric rule; the scores of half of the cases, or of all or none, read the same backwards."""
    g, limit = draw(scores(most, 1)), draw(st.integers(1, most))
    if draw(st.booleans()) if own_mirror is None else own_mirror:
        g[1:] = np.minimum(g[1:], g[1:][::-1])
    penalties = None
    if draw(st.booleans()):
        price, target = draw(st.integers(1, 3)), draw(st.integers(1, 6))
        penalties = tuple(price * (n - target) ** 2 for n in range(limit + 1))
    threshold, least = draw(st.integers(-3, 8)), draw(st.integers(1, limit))
    return g, Rule("optimal", threshold, min=least, max=limit, penalties=penalties, symmetric=True)


def backwards(g: np.ndarray) -> np.ndarray:
    """The scores of the record read backwards; g[0] is no score."""
    return np.concatenate([g[:1], g[1:][::-1]])


@settings(max_examples=200)
@given(scores(11, 1), rules(OPTIMAL, most=9), st.data())
def test_the_optimum_is_that_of_exhaustive_search(g: np.ndarray, rule: Rule, data) -> None:
    lead = data.draw(st.integers(0, rule.multiple - 1))
    edges = Edges(np.array([0]), np.array([lead])) if lead else NO_EDGES
    starts = segment(g, rule, edges)
    assert tuple(starts.tolist()) == best_cut(g, rule, lead)
    assert value_of(g, rule, starts) == worth(g, rule, tuple(starts.tolist()))


@given(scores(200, 1), rules(OPTIMAL, most=120))
def test_the_optimum_of_longer_records_is_that_of_the_written_recursion(g: np.ndarray, rule: Rule) -> None:
    assert segment(g, rule).tolist() == best_by_recursion(g, rule)


def test_ties_go_to_the_fewest_starts_and_then_to_the_first_in_order() -> None:
    # a start earns nothing: none is made without need
    assert segment(np.full(6, 4, np.uint16), Rule("optimal", 4, max=9)).tolist() == [0]
    # eight bytes in patches of at most five: one start, anywhere from 3 to 5
    assert segment(np.full(8, 4, np.uint16), Rule("optimal", 4, max=5)).tolist() == [0, 3]
    assert segment(np.full(8, 4, np.uint16), Rule("optimal", 4, min=4, max=5)).tolist() == [0, 4]
    # either of two starts earns 2, and they are too near for both
    assert segment(np.array([0, 0, 6, 6, 0, 0], np.uint16), Rule("optimal", 4, min=2, max=9)).tolist() == [0, 2]


@given(cases(OPTIMAL))
def test_r1_optimal_patches_partition_the_record_within_their_limits(case) -> None:
    check_limits(*case)


@given(cases(OPTIMAL))
def test_segments_between_forced_starts_are_cut_each_by_itself(case) -> None:
    g, rule, _ = case
    edges = all_edges(*case)
    bounds = np.union1d(edges.at, [0, len(g)]).tolist()
    lead = dict(zip(edges.at.tolist(), edges.leads.tolist(), strict=True))
    apart = [
        start + segment(g[start:end], rule, Edges(np.array([0]), np.array([lead.get(start, 0)])))
        for start, end in itertools.pairwise(bounds)
    ]
    assert segment(g, rule, edges).tolist() == np.concatenate(apart).tolist()


@given(scores(80, 1), st.integers(-3, 8), st.data())
def test_without_limits_and_penalties_the_optimum_is_the_entropy_mode(g: np.ndarray, price: int, data) -> None:
    edges = edges_of(data.draw(breaks_of(len(g))), 0, len(g), 1)
    unlimited = Rule("optimal", price, min=1, max=len(g))
    assert segment(g, unlimited, edges).tolist() == segment(g, Rule("entropy", price), edges).tolist()


@settings(max_examples=200)
@given(symmetric_cases(own_mirror=False))
def test_r7_the_symmetric_optimum_is_that_of_exhaustive_search(case) -> None:
    g, rule = case
    if is_own_mirror(g):
        return
    first = min(g, backwards(g), key=lambda scores: scores[1:].tolist())
    best = best_cut(first, rule)
    assert tuple(segment(g, rule).tolist()) == (best if first is g else mirrored(best, len(g)))


@settings(max_examples=400)
@given(symmetric_cases(own_mirror=True))
def test_r7_a_record_that_is_its_own_mirror_has_the_best_of_the_cuts_that_are_too(case) -> None:
    g, rule = case
    own = [cut for cut in allowed_cuts(len(g), rule) if mirrored(cut, len(g)) == cut]
    # a middle patch below min is allowed where nothing else mirrors
    own = own or [
        cut for cut in every_cut(len(g)) if mirrored(cut, len(g)) == cut and short_in_the_middle(cut, g, rule)
    ]
    best = min(own, key=lambda cut: (-worth(g, rule, cut), len(cut)))
    found = tuple(segment(g, rule).tolist())
    assert is_own_mirror(g)
    assert found in own
    assert (worth(g, rule, found), len(found)) == (worth(g, rule, best), len(best))


def is_own_mirror(g: np.ndarray) -> bool:
    return g.tolist() == backwards(g).tolist()


def short_in_the_middle(cut: tuple[int, ...], g: np.ndarray, rule: Rule) -> bool:
    lengths = lengths_of(cut, len(g))
    closed = lengths[1 : len(lengths) // 2]
    return len(lengths) % 2 == 1 and max(lengths) <= rule.max and all(n >= rule.min for n in closed)


@given(symmetric_cases(most=60))
def test_r7_scores_read_backwards_are_cut_in_mirror_image(case) -> None:
    g, rule = case
    assert tuple(segment(backwards(g), rule).tolist()) == mirrored(tuple(segment(g, rule).tolist()), len(g))


@given(symmetric_cases(most=60), st.data())
def test_r7_forced_starts_read_backwards_too_are_mirrored(case, data) -> None:
    (g, rule), length = case, len(case[0])
    breaks = data.draw(breaks_of(length))
    other = Breaks.unframed(length - breaks.positions[::-1])
    starts = segment(g, rule, edges_of(breaks, 0, length, 1))
    turned = segment(backwards(g), rule, edges_of(other, 0, length, 1))
    assert tuple(turned.tolist()) == mirrored(tuple(starts.tolist()), length)


def test_r7_a_record_that_is_its_own_mirror_is_cut_in_mirror_image() -> None:
    g = np.array([0, 1, 5, 5, 1], np.uint16)  # starts at 2 and 3 pay, and min lets only one of them in
    assert segment(g, Rule("optimal", 3, min=2, max=5, symmetric=True)).tolist() == [0]
    assert segment(g, Rule("optimal", 3, min=1, max=5, symmetric=True)).tolist() == [0, 2, 3]
    # five bytes in patches of exactly four: only a middle patch below min mirrors
    assert segment(g, Rule("optimal", 3, min=4, max=4, symmetric=True)).tolist() == [0, 2, 3]


@given(st.integers(0, 10**6))
def test_r7_anchors_mirror_themselves_where_both_strands_are_cut_alike(length: int) -> None:
    grid, both = anchors(length), anchors(length, symmetric=True)
    assert grid.tolist() == list(range(ANCHOR, length, ANCHOR))
    assert both.tolist() == sorted(set(grid.tolist()) | set((length - grid).tolist()))
    assert (length - both)[::-1].tolist() == both.tolist()


@pytest.mark.parametrize("penalties", [None, tuple((n - 8) ** 2 for n in range(65))])
@pytest.mark.parametrize("symmetric", [False, True])
def test_r10_memory_does_not_grow_with_the_contig(penalties, symmetric: bool) -> None:
    rule = Rule("optimal", 57_000, min=2, max=64, penalties=penalties, symmetric=symmetric)

    def peak(length: int) -> int:
        g = np.random.default_rng(0).integers(0, 65536, length).astype(np.uint16)
        grid = anchors(length)
        tracemalloc.start()
        mark(g, rule, START, Edges(grid, 0 * grid))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1000)
    long, short = peak(16 * ANCHOR), peak(4 * ANCHOR)
    assert long - short < 12 * ANCHOR + 100_000  # the marks, one byte a position, and nothing else


def test_prices_too_large_for_exact_sums_are_refused() -> None:
    with pytest.raises(UsageError, match=r"penalties up to 1125899906842624 codes.*over 1000 positions: lower"):
        mark(np.zeros(1000, np.uint16), Rule("optimal", 0, max=2, penalties=(0, 0, 1 << 50)))
    with pytest.raises(UsageError, match="a price of -1125899906842624"):
        mark(np.zeros(1000, np.uint16), Rule("optimal", -(1 << 50), max=2))
