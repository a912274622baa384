"""The controls of sampling: each does what it says, and no more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.errors import NumericalError, UsageError
from genomelm.models.sampling import Sampling, SeenKmers, draw, probabilities

LOGITS = np.log([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])


def test_the_defaults_leave_the_models_distribution():
    assert np.allclose(probabilities(LOGITS, Sampling()), np.exp(LOGITS))


def test_temperature_divides_logits():
    found = probabilities(LOGITS, Sampling(temperature=0.5))
    squared = np.exp(LOGITS) ** 2
    assert np.allclose(found, squared / squared.sum(1, keepdims=True))


def test_temperature_0_is_the_most_probable_letter_and_the_first_of_equals():
    assert np.array_equal(probabilities(LOGITS, Sampling(temperature=0)), [[0, 0, 0, 1], [1, 0, 0, 0]])
    assert np.array_equal(probabilities(np.zeros((1, 4)), Sampling(temperature=0)), [[1, 0, 0, 0]])


def test_a_low_temperature_does_not_overflow():
    assert np.allclose(probabilities(LOGITS * 1e4, Sampling(temperature=1e-4)), [[0, 0, 0, 1], [1, 0, 0, 0]])


def test_top_k_keeps_so_many_letters():
    assert np.allclose(probabilities(LOGITS, Sampling(top_k=2)), [[0, 0, 3 / 7, 4 / 7], [7 / 8, 1 / 8, 0, 0]])
    assert np.allclose(probabilities(LOGITS, Sampling(top_k=9)), np.exp(LOGITS))


def test_top_p_keeps_the_fewest_letters_that_reach_the_sum():
    assert np.allclose(probabilities(LOGITS, Sampling(top_p=0.6)), [[0, 0, 3 / 7, 4 / 7], [1, 0, 0, 0]])
    assert np.allclose(probabilities(LOGITS, Sampling(top_p=0)), [[0, 0, 0, 1], [1, 0, 0, 0]])


def test_top_p_counts_what_top_k_left():
    found = probabilities(LOGITS[:1], Sampling(top_k=2, top_p=0.5))
    assert np.allclose(found, [[0, 0, 0, 1]])  # 4/7 of the two


def test_a_penalty_takes_nats_off_repeats_before_the_rest():
    repeats = np.array([[False, False, False, True], [False] * 4])
    found = probabilities(LOGITS, Sampling(temperature=0, repeat_penalty=1.0), repeats)
    assert np.array_equal(found, [[0, 0, 1, 0], [1, 0, 0, 0]])
    soft = probabilities(LOGITS, Sampling(repeat_penalty=np.log(2)), repeats)
    assert np.allclose(soft, [[0.125, 0.25, 0.375, 0.25], [0.7, 0.1, 0.1, 0.1]])


def test_what_is_not_finite_is_an_error():
    for wrong in (np.nan, np.inf):
        with pytest.raises(NumericalError, match="not finite"):
            probabilities(np.array([[0.0, wrong]]), Sampling())


def test_draws_have_the_distribution():
    p = np.tile([0.1, 0.0, 0.6, 0.3], (40_000, 1))
    chosen = draw(p, np.random.default_rng(0).random(40_000))
    assert np.allclose(np.bincount(chosen, minlength=4) / 40_000, p[0], atol=0.01)


@given(
    logits=st.lists(st.floats(-30, 30), min_size=4, max_size=4),
    uniform=st.one_of(st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, np.nextafter(1, 0)])),
    top_k=st.integers(0, 5),
    top_p=st.floats(0, 1),
    temperature=st.sampled_from([0.0, 0.1, 1.0, 7.0]),
)
def test_a_letter_of_probability_0_is_never_drawn(logits, uniform, top_k, top_p, temperature):
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    p = probabilities(np.array([logits]), sampling)
    assert p.sum() == pytest.approx(1)
    assert (p > 0).sum() <= (top_k or 4)
    assert p[0, draw(p, np.array([uniform]))[0]] > 0


@given(letters=st.lists(st.integers(-1, 2), max_size=60), k=st.integers(1, 4))
def test_repeats_are_the_letters_that_complete_a_seen_kmer(letters, k):
    seen = SeenKmers(k, 3)
    for letter in letters:
        seen.add(letter)
    kmers = {tuple(letters[i : i + k]) for i in range(len(letters) - k + 1) if -1 not in letters[i : i + k]}
    last = tuple(letters[len(letters) - k + 1 :]) if k > 1 else ()
    expected = [len(last) == k - 1 and (*last, letter) in kmers for letter in range(3)]
    assert seen.repeats().tolist() == expected
    other = seen.fork()
    other.add(0)
    assert seen.repeats().tolist() == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("temperature", float("nan")), ("temperature", -1.0), ("top_k", -2), ("top_p", 1.5), ("top_p", -0.1)),
        *(("repeat_penalty", float("inf")), ("repeat_k", 0)),
    ],
)
def test_a_control_out_of_range_is_told_wherever_it_comes_from(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{name} is {value}: give a finite number"):
        Sampling(**{name: value})
