import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genomelm.scoring.effects import difference, log_likelihood_ratio, strand_average

NATS = hnp.arrays(np.float32, st.integers(1, 9), elements=st.floats(-30, 0, width=32))


@given(NATS, NATS)
def test_exchanging_the_alleles_changes_the_sign_only(ref, alt):
    assert log_likelihood_ratio(ref, alt) == -log_likelihood_ratio(alt, ref)
    assert log_likelihood_ratio(ref, ref) == 0


def test_a_ratio_is_the_sum_over_positions_in_float64():
    ref = np.full((2, 100_000), np.float32(-1.1))
    alt = ref.copy()
    alt[:, 5] -= np.float32(0.25)
    np.testing.assert_allclose(log_likelihood_ratio(ref, alt), -0.25, atol=1e-6)


def test_positions_that_are_not_counted_are_never_read():
    ref = np.array([-1.0, np.nan])
    alt = np.array([-3.0, -1.0, np.inf])
    ratio = log_likelihood_ratio(ref, alt, np.array([True, False]), np.array([True, True, False]))
    assert ratio == -3.0


def test_strands_are_averaged_and_heads_subtracted():
    assert strand_average(np.array([1.0, 2.0]), np.array([3.0, 0.0])).tolist() == [2.0, 1.0]
    assert difference(np.float32(1.5), np.float32(1.0)) == -0.5


def test_unequal_windows_are_compared_over_equally_many_bases():
    ref, alt = np.full(10, -1.4), np.full(7, -1.4)
    assert log_likelihood_ratio(ref, alt) == 0
    assert log_likelihood_ratio(alt, ref) == 0
    longer = np.append(ref, -50.0)
    assert log_likelihood_ratio(ref, longer) == 0
