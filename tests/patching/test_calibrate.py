import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mode_cases import Track, anchors_every, breaks_of

from genomelm.errors import InputError, NumericalError
from genomelm.patching.breaks import Breaks
from genomelm.patching.calibrate import calibrate
from genomelm.patching.codes import LARGEST, Scale
from genomelm.patching.config import PatcherConfig
from genomelm.patching.modes import NO_EDGES, Edges, edges_of, segment
from genomelm.patching.parameters import SCORED
from genomelm.patching.patcher import Patcher
from genomelm.patching.rule import Rule, from_codes, rule_of, to_codes
from genomelm.seq.alphabet import encode
from genomelm.seq.interval import Interval

SCALE = Scale(0.0, 1.4)
ENTROPY = Rule("entropy")
LIMITS = Rule("", min=2, max=32, multiple=2, delta=100, penalties=tuple(3 * (n - 8) ** 2 for n in range(33)))


def settled(rule: Rule, threshold: float) -> Rule:
    return dataclasses.replace(rule, threshold=to_codes(rule.mode, threshold, SCALE))


def achieved(records: list[np.ndarray], rule: Rule, threshold: float, edges: list[Edges] | None = None) -> float:
    cuts = edges or [NO_EDGES] * len(records)
    found = [
        segment(SCALE.encode(g)[:-1], settled(rule, threshold), inside(cut, len(g) - 1))
        for g, cut in zip(records, cuts, strict=True)
    ]
    return sum(len(g) - 1 for g in records) / sum(map(len, found))


def inside(edges: Edges, length: int) -> Edges:
    return Edges(edges.at[edges.at < length], edges.leads[edges.at < length])


def random_scores(seed: int, length: int = 20_000) -> np.ndarray:
    return (1.4 * np.random.default_rng(seed).beta(8, 2, length + 1)).astype(np.float32)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(1.5, 40), st.integers(1, 4))
def test_the_mean_is_met_within_one_percent(seed: int, mean: float, count: int) -> None:
    records = [random_scores(seed + number) for number in range(count)]
    assert achieved(records, ENTROPY, calibrate(records, mean, SCALE, ENTROPY)) == pytest.approx(mean, rel=0.01)


@pytest.mark.parametrize("mode", SCORED)
@pytest.mark.parametrize("mean", [4, 8, 20])
def test_every_mode_meets_the_mean_with_limits_and_forced_edges(mode: str, mean: float) -> None:
    rule = dataclasses.replace(LIMITS, mode=mode)
    if mode == "optimal" and mean == 20:
        rule = dataclasses.replace(rule, penalties=None)  # prices of lengths hold the mean near their target
    records = [random_scores(5), random_scores(6, 30_000), random_scores(7, 0)]
    found = calibrate(records, mean, SCALE, rule)
    assert achieved(records, rule, found) == pytest.approx(mean, rel=0.01)
    edges = [some_edges(len(g) - 1, rule) for g in records]
    found = calibrate(records, mean, SCALE, rule, edges)
    assert achieved(records, rule, found, edges) == pytest.approx(mean, rel=0.01)


def some_edges(length: int, rule: Rule) -> Edges:
    """Forced starts of which one lies past the record."""
    positions = np.unique(np.append(np.random.default_rng(length).integers(0, length + 1, length // 200), length))
    return edges_of(Breaks(positions, positions % 5 % rule.unit), 0, length + 1, rule.unit)


@settings(max_examples=150)
@given(
    st.sampled_from(["entropy", "monotonic", "dual_threshold", "optimal"]),
    st.lists(st.lists(st.integers(0, 6), min_size=2, max_size=40), min_size=1, max_size=3),
    st.floats(1, 6),
    st.data(),
)
def test_a_mean_is_met_whenever_a_threshold_meets_it(mode: str, lists: list, mean: float, data) -> None:
    scale, records = Scale(0.0, LARGEST), [np.array(g, np.uint16) for g in lists]
    rule = Rule(mode, min=1, max=64, delta=data.draw(st.integers(-3, 3)))
    edges = [edges_of(data.draw(breaks_of(len(g) - 1)), 0, len(g) - 1, 1) for g in records]
    bases, means = sum(len(g) - 1 for g in records), {}
    for threshold in range(-7, 8):
        tried = dataclasses.replace(rule, threshold=threshold)
        patches = [segment(g[:-1], tried, cut) for g, cut in zip(records, edges, strict=True)]
        means[threshold] = bases / sum(map(len, patches))
    if any(abs(found - mean) <= 0.01 * mean for found in means.values()):
        found = calibrate(records, mean, scale, rule, edges)
        nearest = min(abs(other - mean) for other in means.values())
        assert abs(means[min(7, max(-7, round(found)))] - mean) == nearest
    else:
        with pytest.raises(InputError, match="no threshold gives a mean patch"):
            calibrate(records, mean, scale, rule, edges)


@pytest.mark.parametrize("mode", SCORED)
@given(st.integers(-1, LARGEST), st.floats(-10, 10), st.floats(0.1, 20))
def test_thresholds_name_their_codes_and_back(mode: str, code: int, lo: float, width: float) -> None:
    scale = Scale(lo, lo + width)
    assert to_codes(mode, from_codes(mode, code, scale), scale) == code


def test_anchors_count_in_the_mean_of_an_optimum() -> None:
    records, rule = [random_scores(1, 5000)], Rule("optimal", min=1, max=64)
    with anchors_every(16):
        grid = np.arange(16, 5000, 16)
        assert achieved(records, rule, calibrate(records, 8, SCALE, rule), [Edges(grid, 0 * grid)]) == pytest.approx(
            8, rel=0.01
        )


@pytest.mark.parametrize("edges", ["after", "at"])
@pytest.mark.parametrize("mode", SCORED)
def test_a_fitted_patcher_meets_the_mean_where_runs_of_n_force_starts(dna: np.ndarray, mode: str, edges: str) -> None:
    ids = dna.copy()
    for start in range(50, 30_000, 300):
        ids[start : start + start % 7] = encode("N")
    limits = {"min": 2, "max": 24, "multiple": 2, "delta": 0.01}
    config = PatcherConfig(mode=mode, order=8, isolate=("n",), edges=edges, **limits)
    patcher = Patcher.fit(config, lambda: [ids[:17_000], ids[17_000:]], 6)
    starts = patcher.segment_many([ids[:17_000], ids[17_000:]])
    assert 30_000 / sum(map(len, starts)) == pytest.approx(6, rel=0.01)


@pytest.mark.parametrize("mode", ["entropy", "optimal"])
def test_symmetric_scores_meet_the_mean(dna: np.ndarray, mode: str) -> None:
    config = PatcherConfig(mode=mode, order=8, symmetric=True, min=2, max=32)
    patcher = Patcher.fit(config, lambda: [dna[:17_000], dna[17_000:]], 6)
    starts = patcher.segment_many([dna[:17_000], dna[17_000:]])
    assert 30_000 / sum(map(len, starts)) == pytest.approx(6, rel=0.01)


@pytest.mark.parametrize("mode", SCORED)
def test_a_track_is_calibrated_at_its_places_with_the_contigs_breaks(mode: str) -> None:
    track, length = Track(random_scores(9, 20_000)[1:] / 1.4), 20_000
    edges = np.arange(100, length, 100)
    breaks = {"c": Breaks(edges, edges % 3)}
    config = PatcherConfig(mode=mode, source="track", min=2, max=24, multiple=3)
    place = Interval("c", 0, length)
    patcher = Patcher.fit(config, lambda: [], 6, source=track, places=[place], breaks=breaks)
    marks = [m for _, m in patcher.stream(lambda start, end: np.zeros(end - start), length, "c", breaks["c"])]
    assert length / np.concatenate(marks)[:-1].sum() == pytest.approx(6, rel=0.01)


@pytest.mark.parametrize("mean", [1.5, 4, 20])
@pytest.mark.parametrize("mode", SCORED)
def test_scores_below_zero_meet_the_mean(mode: str, mean: float) -> None:
    scale, g = Scale(-14.0, 6.4), np.random.default_rng(0).normal(-3, 2, 20_001).astype(np.float32)
    rule = rule_of(PatcherConfig(mode=mode, delta=-20.0), scale)
    found = dataclasses.replace(rule, threshold=to_codes(mode, calibrate([g], mean, scale, rule), scale))
    assert 20_000 / len(segment(scale.encode(g)[:-1], found)) == pytest.approx(mean, rel=0.01)


def test_ties_are_named_with_the_means_beside_them() -> None:
    g = np.full(1001, 0.5, np.float32)
    g[::10] = 1.0
    with pytest.raises(InputError, match=r"900 scores are tied at 0\.[45]\d*, with means of 1 and 10 bytes"):
        calibrate([g], 4, SCALE, ENTROPY)
    assert achieved([g], ENTROPY, calibrate([g], 10, SCALE, ENTROPY)) == 10
    # a rise comes with every tenth score, and a fall after it
    with pytest.raises(InputError, match=r"800 rises are tied at 0, with means of 1\.11\d* and 10 bytes"):
        calibrate([g], 4, SCALE, Rule("monotonic"))


@pytest.mark.parametrize("mode", SCORED)
def test_where_all_scores_are_tied_the_error_names_what_can_be_had(mode: str) -> None:
    g = np.full(1001, 0.7, np.float32)
    with pytest.raises(InputError, match=r"no threshold gives a mean patch of 3\.3 bytes within 1%: .*(tied at|the )"):
        calibrate([g], 3.3, SCALE, Rule(mode, min=1, max=64))


def test_a_mean_out_of_reach_names_what_can_be_had() -> None:
    g = np.random.default_rng(0).random(1001).astype(np.float32)
    with pytest.raises(InputError, match="the longest that can be had is 8;"):
        calibrate([g], 20, SCALE, Rule("length_constrained", min=1, max=8))
    with pytest.raises(InputError, match="the shortest that can be had is 4;"):
        calibrate([g], 2, SCALE, Rule("length_constrained", min=4, max=8))
    with pytest.raises(InputError, match="the longest that can be had is 8;"):
        calibrate([g], 20, SCALE, Rule("greedy", max=8))
    with pytest.raises(InputError, match="the shortest that can be had is 4;"):
        calibrate([g], 2, SCALE, Rule("optimal", min=4, max=8))
    with pytest.raises(InputError, match="ask for 1 or more"):
        calibrate([g], 0.5, SCALE, ENTROPY)
    with pytest.raises(InputError, match="ask for 1 or more"):
        calibrate([g], float("nan"), SCALE, ENTROPY)
    for nothing in ([], [np.zeros(1, np.float32)]):
        with pytest.raises(InputError, match="longer training region"):
            calibrate(nothing, 8, SCALE, ENTROPY)


def test_nan_and_foreign_scores_are_refused() -> None:
    with pytest.raises(NumericalError, match="score 1 is NaN"):
        calibrate([np.array([0, np.nan, 1], np.float32)], 2, SCALE, ENTROPY)
    with pytest.raises(InputError, match="outside the scale"):
        SCALE.encode(np.array([0.0, 3.0]))
    for mode in SCORED:
        with pytest.raises(NumericalError, match="threshold is NaN"):
            to_codes(mode, float("nan"), SCALE)


@given(st.integers(0, 65535))
def test_codes_round_trip(code: int) -> None:
    assert SCALE.encode(SCALE.decode(np.array([code], np.uint16)))[0] == code
    assert to_codes("entropy", -0.1, SCALE) == -1
