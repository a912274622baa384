import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.errors import NumericalError, UsageError
from genomelm.patching.config import PatcherConfig
from genomelm.patching.modes import MODES, Rule, mark, segment

GOLDEN = json.loads((Path(__file__).parent / "golden" / "patching_modes.json").read_text())["cases"]

# few distinct values, so that ties with the threshold are common
scores = st.lists(st.integers(0, 6), max_size=80).map(lambda g: np.array(g, np.uint16))


@st.composite
def rules(draw) -> Rule:
    multiple = draw(st.integers(1, 4))
    most = multiple * draw(st.integers(1, 6))
    return Rule(
        draw(st.sampled_from(sorted(MODES))),
        threshold=draw(st.integers(-1, 6)),
        stride=draw(st.integers(1, 9)),
        min=draw(st.integers(1, most)),
        max=most,
        multiple=multiple,
    )


def plainly(g: np.ndarray, rule: Rule) -> list[int]:
    """The table of modes, read out one byte at a time."""
    starts = []
    for k in range(len(g)):
        n = k - starts[-1] if starts else 0
        wanted = {
            "entropy": lambda k=k: g[k] > rule.threshold,
            "byte": lambda: True,
            "fixed_stride": lambda k=k: k % rule.stride == 0,
            "length_constrained": lambda k=k, n=n: (
                (g[k] > rule.threshold and n >= rule.min and n % rule.multiple == 0) or n >= rule.max
            ),
        }
        if k == 0 or wanted[rule.mode]():
            starts.append(k)
    return starts


@pytest.mark.parametrize("case", [c for c in GOLDEN if c["mode"] == "length_constrained_greedy"])
def test_length_constrained_agrees_with_exhaustive_search(case: dict) -> None:
    limits = {"min": case["min_len"], "max": case["max_len"], "multiple": case["multiple_of"]}
    assert (
        segment(np.array(case["g"]), Rule("length_constrained", case["threshold"], **limits)).tolist() == case["starts"]
    )


@pytest.mark.parametrize("case", [c for c in GOLDEN if c["mode"] == "optimal"])
def test_entropy_is_the_optimum_without_limits_at_the_price_of_a_start(case: dict) -> None:
    assert segment(np.array(case["g"]), Rule("entropy", case["lam"])).tolist() == case["starts"]


@given(scores, rules())
def test_modes_follow_their_written_rules(g: np.ndarray, rule: Rule) -> None:
    assert segment(g, rule).tolist() == plainly(g, rule)


@given(scores, rules())
def test_r1_patches_partition_the_record_within_the_limits(g: np.ndarray, rule: Rule) -> None:
    starts = segment(g, rule)
    lengths = np.diff(starts, append=len(g))
    assert lengths.sum() == (len(g) if len(starts) else 0)
    assert (lengths >= 1).all()
    if rule.mode == "length_constrained":
        closed = lengths[:-1]
        assert (closed <= rule.max).all()
        assert (closed >= rule.min).all()
        assert (closed % rule.multiple == 0).all()


@given(scores, rules(), st.integers(0, 80))
def test_r2_a_prefix_has_the_same_starts(g: np.ndarray, rule: Rule, m: int) -> None:
    assert (mark(g[:m], rule)[0] == mark(g, rule)[0][:m]).all()


@given(scores, rules(), st.lists(st.integers(0, 80), max_size=6))
def test_r4_any_chunking_marks_the_same_starts(g: np.ndarray, rule: Rule, cuts: list[int]) -> None:
    whole, open_bytes = mark(g, rule)
    parts, since = [], 0
    for part in np.split(g, sorted(min(cut, len(g)) for cut in cuts)):
        marks, since = mark(part, rule, since)
        parts.append(marks)
    assert (np.concatenate(parts) == whole).all()
    assert since == open_bytes


def test_a_score_equal_to_the_threshold_starts_nothing() -> None:
    assert segment(np.array([9, 5, 6, 5], np.uint16), Rule("entropy", 5)).tolist() == [0, 2]


def test_nan_scores_are_refused() -> None:
    with pytest.raises(NumericalError, match="score 2 is NaN"):
        segment(np.array([0.0, 1.0, np.nan]), Rule("entropy", 0.5))


def test_records_of_no_and_one_byte() -> None:
    for mode in MODES:
        assert segment(np.zeros(0, np.uint16), Rule(mode)).tolist() == []
        assert segment(np.zeros(1, np.uint16), Rule(mode)).tolist() == [0]


@pytest.mark.parametrize("mode", ["entropy", "length_constrained"])
def test_r10_a_pass_is_far_faster_than_the_plain_rule_and_linear(mode: str) -> None:
    g = np.random.default_rng(0).integers(0, 65536, 2_000_000).astype(np.uint16)
    rule = Rule(mode, threshold=57_000, min=1, max=64)
    mark(g, rule)

    def best(size: int, function) -> float:
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            function(g[:size], rule)
            times.append(time.perf_counter() - begin)
        return min(times) / size

    assert best(2_000_000, mark) * 20 < best(5_000, plainly)


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(UsageError, match="max must be a multiple"):
        PatcherConfig(mode="length_constrained", min=3, max=10, multiple=3)
    with pytest.raises(UsageError, match="between 1 and max"):
        PatcherConfig(mode="length_constrained", min=20, max=10)
    with pytest.raises(UsageError, match="'entropie' is unknown"):
        PatcherConfig(mode="entropie")
