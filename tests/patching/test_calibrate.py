import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genomelm.errors import InputError, NumericalError
from genomelm.patching.calibrate import calibrate
from genomelm.patching.codes import Scale
from genomelm.patching.modes import Rule, segment

SCALE = Scale(0.0, 1.4)
ENTROPY = Rule("entropy")


def achieved(records: list[np.ndarray], rule: Rule, threshold: float) -> float:
    settled = dataclasses.replace(rule, threshold=SCALE.threshold(threshold))
    patches = sum(len(segment(SCALE.encode(g)[:-1], settled)) for g in records)
    return sum(len(g) - 1 for g in records) / patches


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.floats(1.5, 40), st.integers(1, 4))
def test_the_mean_is_met_within_one_percent(seed: int, mean: float, count: int) -> None:
    random = np.random.default_rng(seed)
    records = [(1.4 * random.beta(8, 2, 20_001)).astype(np.float32) for _ in range(count)]
    assert achieved(records, ENTROPY, calibrate(records, mean, SCALE, ENTROPY)) == pytest.approx(mean, rel=0.01)


@pytest.mark.parametrize("mean", [4, 8, 20])
def test_the_mean_is_met_with_length_limits(mean: int) -> None:
    rule = Rule("length_constrained", min=2, max=32, multiple=2)
    records = [(1.4 * np.random.default_rng(5).beta(8, 2, 50_001)).astype(np.float32)]
    assert achieved(records, rule, calibrate(records, mean, SCALE, rule)) == pytest.approx(mean, rel=0.01)


def test_ties_are_named_with_the_means_beside_them() -> None:
    g = np.full(1001, 0.5, np.float32)
    g[::10] = 1.0
    with pytest.raises(InputError, match=r"900 of 999 scores are tied at 0\.[45]\d*, with means of 1 and 10 bytes"):
        calibrate([g], 4, SCALE, ENTROPY)
    assert achieved([g], ENTROPY, calibrate([g], 10, SCALE, ENTROPY)) == 10


def test_a_mean_out_of_reach_names_what_can_be_had() -> None:
    g = np.random.default_rng(0).random(1001).astype(np.float32)
    with pytest.raises(InputError, match="the longest that can be had is 8;"):
        calibrate([g], 20, SCALE, Rule("length_constrained", min=1, max=8))
    with pytest.raises(InputError, match="the shortest that can be had is 4;"):
        calibrate([g], 2, SCALE, Rule("length_constrained", min=4, max=8))
    with pytest.raises(InputError, match="ask for 1 or more"):
        calibrate([g], 0.5, SCALE, ENTROPY)
    with pytest.raises(InputError, match="longer training region"):
        calibrate([np.zeros(1, np.float32)], 8, SCALE, ENTROPY)


def test_nan_and_foreign_scores_are_refused() -> None:
    with pytest.raises(NumericalError, match="score 1 is NaN"):
        calibrate([np.array([0, np.nan, 1], np.float32)], 2, SCALE, ENTROPY)
    with pytest.raises(InputError, match="outside the scale"):
        SCALE.encode(np.array([0.0, 3.0]))
    with pytest.raises(NumericalError, match="threshold is NaN"):
        SCALE.threshold(float("nan"))


@given(st.integers(0, 65535))
def test_codes_round_trip_and_thresholds_name_their_code(code: int) -> None:
    assert SCALE.encode(SCALE.decode(np.array([code], np.uint16)))[0] == code
    assert SCALE.threshold(SCALE.lo + code * SCALE.step) == code
    assert SCALE.threshold(-0.1) == -1
