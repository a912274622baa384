"""Scores, p-values and alignments of motifs against slow twins that count everything."""

import itertools

import numpy as np
import pytest

from genomelm.interpret import alignment, hits, pwm

SKEWED = (0.3, 0.2, 0.2, 0.3)


def drawn_ppm(width, seed=0):
    return np.random.default_rng(seed).dirichlet([0.4] * 4, width)


def letters(rows, length, seed=1):
    return np.eye(4)[np.random.default_rng(seed).integers(0, 4, (rows, length))]


def slow_scan(one_hot, weights):
    """Return the score of every window on both strands, letter by letter."""
    width = len(weights)
    found = np.full((len(one_hot), one_hot.shape[1] - width + 1, 2), -np.inf)
    for row, start in itertools.product(range(len(one_hot)), range(found.shape[1])):
        window = one_hot[row, start : start + width]
        if window.sum() < width:
            continue
        codes = window.argmax(axis=1)
        found[row, start, 0] = sum(weights[k, c] for k, c in enumerate(codes))
        found[row, start, 1] = sum(weights[k, 3 - c] for k, c in enumerate(codes[::-1]))
    return found


@pytest.mark.parametrize("width", [1, 2, 5, 9])
def test_the_scan_is_the_sum_over_letters_on_both_strands(width):
    one_hot = letters(3, 12)
    one_hot[1, 4] = 0  # an N
    ppm = drawn_ppm(width)
    expected = slow_scan(one_hot, pwm.log_odds(ppm, SKEWED))
    np.testing.assert_allclose(pwm.scan(one_hot, ppm, SKEWED).scores, expected, atol=1e-9)


@pytest.mark.parametrize("background", [pwm.UNIFORM, SKEWED])
def test_a_p_value_is_the_share_of_all_words_that_score_as_high(background):
    weights = pwm.log_odds(drawn_ppm(5), background)
    words = np.array(list(itertools.product(range(4), repeat=5)))
    scores = np.rint(weights[np.arange(5), words].sum(axis=1) * 100)
    chance = np.prod(np.asarray(background)[words], axis=1)
    lowest, table = pwm.p_values(weights, background)
    for score in np.unique(scores):
        assert table[int(score) - lowest] == pytest.approx(chance[scores >= score].sum(), abs=1e-12)
    assert table[0] == pytest.approx(1.0)


def test_own_sites_score_below_the_quantile_as_often_as_asked():
    ppm = drawn_ppm(6, 3)
    weights = pwm.log_odds(ppm)
    rng = np.random.default_rng(0)
    scores = sum(weights[k, rng.choice(4, size=20_000, p=ppm[k])] for k in range(6))
    least = pwm.own_quantile(weights, ppm, 0.02)
    assert np.mean(scores < least - 1e-9) <= 0.025
    assert np.mean(scores <= least + 1e-9) >= 0.015


def test_the_reverse_complement_has_the_same_hits_turned_round():
    one_hot, ppm = letters(2, 400, 5), drawn_ppm(7, 2)
    ahead = hits.call(one_hot, np.ones((2, 400)), [ppm], pwm.UNIFORM, 1e-2)
    back = hits.call(one_hot[:, ::-1, ::-1], np.ones((2, 400)), [ppm], pwm.UNIFORM, 1e-2)
    turned = {(h.region, 400 - h.end, {"+": "-", "-": "+"}[h.strand], h.sequence) for h in back}
    assert {(h.region, h.start, h.strand, h.sequence) for h in ahead} == turned
    assert ahead


def test_hits_carry_what_stands_under_them():
    one_hot = letters(1, 50, 7)
    one_hot[0, 20:26] = np.eye(4)[[3, 0, 3, 0, 0, 3]]
    values = np.zeros((1, 50))
    values[0, 20:26] = 2.0
    ppm = np.full((6, 4), 0.05) + 0.8 * np.eye(4)[[3, 0, 3, 0, 0, 3]]
    (hit,) = [h for h in hits.call(one_hot, values, [ppm], pwm.UNIFORM, 1e-4) if h.start == 20]
    assert (hit.end, hit.strand, hit.sequence, hit.contribution) == (26, "+", "TATAAT", 12.0)
    assert hit.concentration == pytest.approx(50 / 6)
    assert hit.p == pytest.approx(4**-6)  # the best there can be: above 1e-4, and a hit all the same


def test_a_palindrome_is_one_hit():
    one_hot = np.eye(4)[[[0, 0, 0, 1, 0, 1, 2, 3, 2, 0, 0, 0]]]  # AAACACGTGAAA
    ppm = np.full((6, 4), 0.05) + 0.8 * np.eye(4)[[1, 0, 1, 2, 3, 2]]
    assert [h.start for h in hits.call(one_hot, np.ones((1, 12)), [ppm], pwm.UNIFORM)] == [3]


def test_false_discovery_is_that_of_scipy():
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(0).random(40) ** 3
    np.testing.assert_allclose(hits.false_discovery(p, 40), false_discovery_control(p))


def slow_best(query, target, reach):
    """Return the best cosine over offsets and strands, window by window."""
    best = -np.inf
    for turned in (query, query[::-1, ::-1]):
        for o in range(-reach, reach + 1):
            total = sum(float(turned[i] @ target[i + o]) for i in range(len(turned)) if 0 <= i + o < len(target))
            best = max(best, total)
    return best / np.linalg.norm(query) / np.linalg.norm(target)


def test_likeness_is_the_best_of_all_alignments():
    rng = np.random.default_rng(3)
    queries, targets = rng.normal(size=(4, 7, 4)), rng.normal(size=(5, 7, 4))
    cosine, _, _ = alignment.similarities(queries, targets, 4)
    expected = [[slow_best(q, t, 4) for t in targets] for q in queries]
    np.testing.assert_allclose(cosine, expected, atol=1e-5)


@pytest.mark.parametrize("flip", [0, 1])
def test_an_alignment_says_where_the_columns_lie(flip):
    target = np.random.default_rng(4).normal(size=(1, 9, 4))
    query = np.zeros_like(target)
    query[:, 0:6] = target[:, 3:9]  # query column i over target column i + 3
    given = query[:, ::-1, ::-1] if flip else query
    cosine, offset, flipped = alignment.similarities(given, target, 5)
    assert (offset[0, 0], flipped[0, 0]) == (3, flip)
    assert cosine[0, 0] < 1


def test_a_motif_is_recovered_whatever_its_strand_and_frame():
    truth = drawn_ppm(8, 5)
    wide = np.vstack([drawn_ppm(3, 6), truth, drawn_ppm(2, 7)])
    assert alignment.best_pearson(wide[::-1, ::-1], truth)[0] == pytest.approx(1.0)
    assert alignment.best_pearson(drawn_ppm(8, 11), truth)[0] < 0.7
    assert alignment.best_pearson(truth[:3], truth)[0] < 0.9  # a piece of it is not it
