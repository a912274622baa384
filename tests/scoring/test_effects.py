import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from genomelm.scoring.effects import chosen, difference, log_likelihood_ratio, log_softmax, strand_average

LOGITS = hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(5)), elements=st.floats(-30, 30, width=32))


@given(LOGITS)
def test_log_probabilities_sum_to_one(logits):
    assert log_softmax(logits).dtype == np.float64
    np.testing.assert_allclose(np.exp(log_softmax(logits)).sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(log_softmax(logits + np.float32(1000)), log_softmax(logits), atol=1e-3)


@given(LOGITS, LOGITS, st.randoms())
def test_exchanging_the_alleles_changes_the_sign_only(ref, alt, random):
    ref_ids, alt_ids = (np.array([random.randrange(5) for _ in logits]) for logits in (ref, alt))
    a, b = chosen(log_softmax(ref), ref_ids), chosen(log_softmax(alt), alt_ids)
    assert log_likelihood_ratio(a, b) == -log_likelihood_ratio(b, a)
    assert log_likelihood_ratio(a, a) == 0


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
