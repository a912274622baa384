import numpy as np
import pytest

from genomelm.interpret import gradients, ism

LENGTH = 24
RNG = np.random.default_rng(5)
LINEAR = RNG.normal(size=(LENGTH, 4))
SEQUENCE = "".join(RNG.choice(list("ACGT"), LENGTH))


def linear_pairs(reference, alternates):
    score = lambda s: float((ism.one_hot(s) * LINEAR).sum())
    return score(reference), np.array([score(a) for a in alternates])


def square_score(x):
    return float((x * LINEAR).sum() ** 2)


def square_gradient(x):
    return 2 * (x * LINEAR).sum() * LINEAR


def test_correction_removes_the_part_that_no_one_hot_change_can_see():
    shifted = LINEAR + RNG.normal(size=(LENGTH, 1))
    assert np.allclose(gradients.off_simplex(shifted), gradients.off_simplex(LINEAR))
    assert np.allclose(gradients.off_simplex(LINEAR).sum(axis=-1), 0)


def test_gradient_of_a_linear_score_agrees_with_ism_in_sign_and_rank():
    one_hot = ism.one_hot(SEQUENCE)
    effects = ism.saturation(linear_pairs, SEQUENCE)
    track = gradients.input_x_gradient(lambda x: LINEAR + 7.0, one_hot)
    assert np.allclose(track.sum(axis=-1), 0.75 * ism.support(effects))
    found = gradients.agreement(effects, track)
    assert found["pearson_signed"] == pytest.approx(1.0)
    assert found["spearman"] > 0.6


def test_gradient_with_the_sign_turned_is_seen():
    one_hot = ism.one_hot(SEQUENCE)
    effects = ism.saturation(linear_pairs, SEQUENCE)
    assert (
        gradients.agreement(effects, gradients.input_x_gradient(lambda x: -LINEAR, one_hot))["pearson_signed"] < -0.99
    )


def test_a_flat_track_has_no_correlation():
    assert gradients.agreement(np.zeros((5, 4)), np.ones((5, 4))) == {"spearman": None, "pearson_signed": None}


def test_integrated_gradients_add_up_to_the_score_difference():
    one_hot = ism.one_hot(SEQUENCE)
    track, baseline = gradients.integrated(square_gradient, one_hot, steps=256)
    error = gradients.completeness_error(track, square_score(one_hot), square_score(baseline))
    assert error < 1e-6
    assert gradients.completeness_error(track * 1.1, square_score(one_hot), square_score(baseline)) > 0.05
