import itertools
import json
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mode_cases import MODES, ONE_PASS, all_edges, cases, rules, scores
from plain_rules import check_limits, plain_marks

from genomelm.errors import NumericalError, UsageError
from genomelm.patching.codes import Scale
from genomelm.patching.config import PatcherConfig
from genomelm.patching.modes import NO_EDGES, START, Edges, edges_of, mark, segment
from genomelm.patching.optimal import anchors
from genomelm.patching.rule import Rule, rule_of

GOLDEN = json.loads((Path(__file__).parent / "golden" / "patching_modes.json").read_text())["cases"]


def in_thousandths(values: list[float]) -> np.ndarray:
    """Scores as the integers that comparisons are made on."""
    return np.rint(np.array(values) * 1000).astype(np.uint16)


def golden_rule(case: dict) -> Rule:
    """A golden case's rule in thousandths of a score."""
    thousandths = lambda name: round(1000 * case[name])
    if case["mode"] == "monotonic_clean":
        return Rule("monotonic", thousandths("t_rel"))
    if case["mode"] == "dual_clean":
        return Rule("dual_threshold", thousandths("t_global"), delta=thousandths("t_rel"))
    limits = {"min": case["min_len"], "max": case["max_len"], "multiple": case["multiple_of"]}
    if case["mode"] == "length_constrained_greedy":
        return Rule("length_constrained", thousandths("threshold"), **limits)
    costs = 1000 * case["alpha"] * (np.arange(case["max_len"] + 1) - case["target"]) ** 2
    penalties = tuple(np.rint(costs).astype(int).tolist()) if case["alpha"] else None
    return Rule("optimal", thousandths("lam"), **limits, penalties=penalties)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["mode"])
def test_modes_agree_with_exhaustive_search(case: dict) -> None:
    assert segment(in_thousandths(case["g"]), golden_rule(case)).tolist() == case["starts"]


def test_the_golden_cases_are_of_four_modes() -> None:
    assert {case["mode"] for case in GOLDEN} == {
        "optimal",
        "length_constrained_greedy",
        "monotonic_clean",
        "dual_clean",
    }
    assert len(GOLDEN) == 23


@pytest.mark.parametrize("mode", ONE_PASS)
@given(data=st.data())
def test_modes_follow_their_written_rules(mode: str, data) -> None:
    g, rule, breaks = data.draw(cases((mode,)))
    edges = all_edges(g, rule, breaks)
    marks, _ = mark(g, rule, START, edges)
    assert marks.tolist() == plain_marks(g, rule, edges).tolist()


@pytest.mark.parametrize("mode", ONE_PASS)
@pytest.mark.parametrize("shape", ["low", "high", "alternating", "spike", "notch", "ramp"])
def test_modes_follow_their_written_rules_on_adversarial_scores(mode: str, shape: str) -> None:
    g = np.full(300, 0 if shape in ("low", "spike") else 65535, np.uint16)
    g[150] = {"spike": 65535, "notch": 0}.get(shape, g[150])
    if shape == "alternating":
        g[::2] = 0
    if shape == "ramp":
        g = np.linspace(0, 65535, 300).astype(np.uint16)
    for threshold in (-65536, -1, 0, 65534, 65535, 200_000):
        rule = Rule(mode, threshold, delta=threshold // 2, stride=7, min=3, max=12, multiple=3)
        assert segment(g, rule).tolist() == np.flatnonzero(plain_marks(g, rule)).tolist()


def test_greedy_starts_where_the_sum_reaches_the_budget_and_begins_again() -> None:
    g = np.array([9, 1, 2, 3, 0, 9, 9, 1, 1, 0, 0, 0, 0], np.uint16)
    # 1 + 2 reach 3; 3 does; 0 + 9 do; 9 does; 1 + 1 do not, and four bytes after the last start max does
    assert segment(g, Rule("greedy", 3, max=4)).tolist() == [0, 2, 3, 5, 6, 10]
    assert segment(g, Rule("greedy", 3, max=64), Edges(np.array([8]), np.array([0]))).tolist() == [0, 2, 3, 5, 6, 8]


def test_a_score_equal_to_the_threshold_starts_nothing() -> None:
    g = np.array([9, 5, 6, 5], np.uint16)
    assert segment(g, Rule("entropy", 5)).tolist() == [0, 2]
    assert segment(g, Rule("length_constrained", 5, max=9)).tolist() == [0, 2]
    assert segment(g, Rule("optimal", 5, max=9)).tolist() == [0, 2]
    assert segment(g, Rule("monotonic", 1)).tolist() == segment(g, Rule("dual_threshold", 6)).tolist() == [0]
    assert segment(g, Rule("dual_threshold", 5, delta=1)).tolist() == [0]


@pytest.mark.parametrize("mode", ONE_PASS)
@given(data=st.data())
def test_r1_patches_partition_the_record_within_their_limits(mode: str, data) -> None:
    check_limits(*data.draw(cases((mode,))))


@pytest.mark.parametrize("mode", ONE_PASS)
@given(data=st.data())
def test_r2_a_prefix_has_the_same_starts(mode: str, data) -> None:
    g, rule, breaks = data.draw(cases((mode,)))
    m = data.draw(st.integers(0, len(g)))
    whole = mark(g, rule, START, all_edges(g, rule, breaks))[0]
    assert (mark(g[:m], rule, START, edges_of(breaks, 0, m, rule.unit))[0] == whole[:m]).all()


@pytest.mark.parametrize("mode", ONE_PASS)
@given(data=st.data())
def test_r4_any_split_marks_the_same_starts_and_leaves_the_same_state(mode: str, data) -> None:
    g, rule, breaks = data.draw(cases((mode,)))
    whole, last = mark(g, rule, START, all_edges(g, rule, breaks))
    bounds = [0, *sorted(data.draw(st.lists(st.integers(0, len(g)), max_size=6))), len(g)]
    parts, state = [], START
    for begin, end in itertools.pairwise(bounds):
        marks, state = mark(g[begin:end], rule, state, edges_of(breaks, begin, end, rule.unit))
        parts.append(marks)
    assert (np.concatenate(parts) == whole).all()
    assert state == last


@pytest.mark.parametrize("mode", [m for m in MODES if m not in ("fixed_stride", "byte", "given")])
def test_nan_scores_are_refused(mode: str) -> None:
    with pytest.raises(NumericalError, match="score 2 is NaN"):
        segment(np.array([0.0, 1.0, np.nan]), Rule(mode, 0.5))
    segment(np.array([np.nan, 1.0, 0.5]), Rule("entropy", 0.5))  # there is no score 0


@pytest.mark.parametrize("mode", MODES)
def test_records_of_no_one_and_two_bytes(mode: str) -> None:
    rule = Rule(mode, threshold=3, delta=-9, stride=2, min=2, max=2, multiple=2)
    assert segment(np.zeros(0, np.uint16), rule).tolist() == []
    assert segment(np.full(1, 9, np.uint16), rule).tolist() == [0]
    both = ("entropy", "greedy", "byte")  # a rise needs two scores; the others need two bytes
    assert segment(np.full(2, 9, np.uint16), rule).tolist() == ([0, 1] if mode in both else [0])


@given(scores(20, 1), rules(("given",)), st.data())
def test_given_patches_start_where_they_are_given(g: np.ndarray, rule: Rule, data) -> None:
    at = sorted(data.draw(st.sets(st.integers(0, len(g) - 1))))
    edges = Edges(np.array(at, np.int64), np.zeros(len(at), np.int64))
    assert segment(g, rule, edges).tolist() == sorted({0, *at})


def cuts_for(size: int, rule: Rule) -> Edges:
    grid = anchors(size)
    return Edges(grid, 0 * grid) if rule.mode == "optimal" else NO_EDGES


def rule_for_speed(mode: str) -> Rule:
    return Rule(mode, threshold=300_000 if mode == "greedy" else 57_000, delta=100, stride=8, max=64)


@pytest.mark.parametrize("mode", [mode for mode in ONE_PASS if mode not in ("byte", "given")])
def test_r10_a_pass_is_far_faster_than_the_plain_rule(mode: str) -> None:
    g, rule = np.random.default_rng(0).integers(0, 65536, 1_000_000).astype(np.uint16), rule_for_speed(mode)
    mark(g, rule)
    assert 20 * seconds(lambda: mark(g, rule)) / len(g) < seconds(lambda: plain_marks(g[:5000], rule)) / 5000


@pytest.mark.parametrize("mode", MODES)
def test_r10_time_and_memory_are_linear(mode: str) -> None:
    g, rule = np.random.default_rng(0).integers(0, 65536, 2_000_000).astype(np.uint16), rule_for_speed(mode)
    short = g[: len(g) // 8]
    time_of = lambda part: seconds(lambda: mark(part, rule, START, cuts_for(len(part), rule)))
    mark(g[:1000], rule)
    assert time_of(g) < 8 * 3 * time_of(short) + 0.01
    tracemalloc.start()
    mark(g, rule, START, cuts_for(len(g), rule))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(g)


def seconds(function) -> float:
    """Return the least processor time of three calls."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return min(times)


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(UsageError, match="max must be a multiple"):
        PatcherConfig(mode="length_constrained", min=3, max=10, multiple=3)
    with pytest.raises(UsageError, match="between 1 and max"):
        PatcherConfig(mode="length_constrained", min=20, max=10)
    with pytest.raises(UsageError, match="'entropie' is unknown"):
        PatcherConfig(mode="entropie")


@pytest.mark.parametrize("name", ["threshold", "delta", "alpha", "target"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameters_that_are_no_number_are_refused(name: str, value: float) -> None:
    config = PatcherConfig(**{"mode": "optimal", "alpha": 1.0, "threshold": 1.0, name: value})
    with pytest.raises(NumericalError, match=f"{name} is {value}: give a number"):
        rule_of(config, Scale(0.0, 1.4))


def test_penalties_too_large_for_integers_are_refused_and_do_not_wrap_around() -> None:
    rule = rule_of(PatcherConfig(mode="optimal", alpha=1e18, threshold=1.0), Scale(0.0, 1.4))
    with pytest.raises(UsageError, match="lower the threshold or alpha"):
        segment(np.zeros(100, np.uint16), rule)
