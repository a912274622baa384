"""A model is distinguishable from null where it answers to what regions have and their shuffles have not."""

import numpy as np
import pytest
from filter_models import LENGTH, WORD, filter_model, filters_of, noise, random_filters, random_model, with_word

from genomelm.interpret import ism
from genomelm.interpret.distinguishable import beyond, contrast, peaks, seed_gain, signal
from genomelm.interpret.null import dinucleotide_shuffle

COUNT = 16


def maps(models, sequences):
    shuffled = [dinucleotide_shuffle(sequence, 3, i) for i, sequence in enumerate(sequences)]
    return tuple(np.stack([model.saturate(some) for model in models]) for some in (sequences, shuffled))


def judged(models, sequences):
    nulls = {}
    for draw in range(5):
        real, shuffled = maps([random_model(draw)], sequences)
        nulls[f"random_weights/{draw}"] = (real[0], shuffled[0])
    return signal(*maps(models, sequences), nulls)


def learned(seed):
    """A seed that learned the word, and something of its own."""
    own = 0.15 * random_filters(100 + seed)[:1]
    return filter_model(f"seed{seed}", filters_of(WORD) + own, threshold=4.0)


def reader_of_composition(seed):
    """A score of G and C, whatever their order."""
    weights = np.tile([0.0, 1.0, 1.0, 0.0], (1, 8, 1)) + 0.1 * random_filters(seed)[:1]
    return filter_model(f"composition{seed}", weights, threshold=0.0)


def test_a_model_that_learned_the_word_is_distinguishable():
    for models in ([learned(1)], [learned(1), learned(2)]):
        found = judged(models, with_word(COUNT))
        assert found["distinguishable"] is True
        assert found["p"] == max(arm["p"] for arm in found["arms"]) < 0.01
        assert len(found["arms"]) == len(models)
        assert found["against"].endswith("5 null models: random_weights (5)")


@pytest.mark.parametrize("seed", range(20, 26))
def test_a_model_of_random_weights_is_null(seed):
    assert judged([random_model(seed)], with_word(COUNT))["distinguishable"] is False


def test_a_sound_model_on_noise_is_null():
    assert judged([learned(1), learned(2)], noise(COUNT))["distinguishable"] is False


def test_seeds_that_agree_about_composition_are_null():
    models = [reader_of_composition(1), reader_of_composition(2)]
    real, shuffled = maps(models, with_word(COUNT))
    tracks = ism.support(real)
    assert np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(*tracks, strict=True)]) > 0.5
    assert abs(np.median(seed_gain(real, shuffled))) < 0.1
    assert judged(models, with_word(COUNT))["distinguishable"] is False


def test_seeds_that_disagree_are_null_however_high_their_peaks():
    other = filter_model("other", filters_of("GGTACATC"), threshold=4.0)
    sequences = with_word(COUNT)
    halves = [s if i % 2 else s.replace(WORD, "GGTACATC") for i, s in enumerate(sequences)]
    found = judged([filter_model("one", filters_of(WORD), threshold=4.0), other], halves)
    assert found["arms"][1]["p"] > 0.01
    assert found["distinguishable"] is False


def test_the_scale_of_scores_does_not_matter():
    real, shuffled = maps([learned(1)], with_word(COUNT))
    assert contrast(real[0], shuffled[0]) == pytest.approx(contrast(1e-6 * real[0], 1e-6 * shuffled[0]))


def test_null_models_that_scatter_and_few_of_them_raise_the_p_value():
    assert beyond(1.2, [0.1, -0.1, 0.0, 0.05, -0.05], 32) < 0.001
    assert beyond(1.2, [0.9, -0.7, 0.3, -0.8, 0.6], 32) > 0.01
    assert beyond(0.5, [0.0, 0.0, 0.0, 0.0, 0.0], 32) > 0.01  # LEAST_SPREAD holds though these do not scatter at all
    assert beyond(1.2, [0.2, -0.1, -0.1], 32) > beyond(1.2, [0.2, -0.1, -0.1] * 4, 32)


def test_few_regions_raise_the_p_value_to_what_their_mean_has_by_chance():
    none = [0.0] * 5
    assert beyond(0.8, none, 8) > 0.01 > beyond(0.8, none, 16)
    assert beyond(0.8, none, 12) == beyond(0.8, none, 100)  # LEAST_SPREAD is more than 1 / sqrt(12)


def test_flat_maps_have_no_contrast():
    flat = np.zeros((COUNT, LENGTH, 4))
    assert contrast(flat, flat) == 0.0
    assert peaks(np.ones((2, 5, 4))).tolist() == [pytest.approx(4 / 3)] * 2  # shorter than a peak's window


def test_too_few_regions_or_null_models_give_a_reason():
    real, shuffled = maps([learned(1)], with_word(7))
    assert signal(real, shuffled, {})["reason"].startswith("not run: 7 regions")
    real, shuffled = maps([learned(1)], with_word(8))
    assert signal(real, shuffled, {"a": (real[0], shuffled[0])})["reason"].startswith("not run: 1 null models")
