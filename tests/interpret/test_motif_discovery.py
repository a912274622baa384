"""Motifs from planted maps are found again; from noise nothing counts."""

import numpy as np
import pytest
from planted_maps import MOTIFS, planted, ppm_of
from scipy.ndimage import gaussian_filter1d

from genomelm.interpret import motif_null, patterns, seqlets
from genomelm.interpret.alignment import best_pearson
from genomelm.interpret.motif import Maps
from genomelm.interpret.pwm import composition


def found_in(one_hot, values, runs=3):
    maps, called = Maps(one_hot, values, composition(one_hot)), seqlets.call(values)
    found = [p for sign in (1, -1) for p in patterns.discover(maps, called, sign)]
    rows, check = motif_null.judge(maps, called, found, runs=runs)
    return found, rows, check


@pytest.fixture(scope="module")
def recovered():
    one_hot, values, sites = planted(regions=100, signs=(1, -1, 1))
    return found_in(one_hot, values), sites


def test_three_planted_motifs_of_both_signs_are_recovered(recovered):
    (found, rows, check), _ = recovered
    real = [p for p, row in zip(found, rows, strict=True) if row["real"]]
    for text, sign in zip(MOTIFS, (1, -1, 1), strict=True):
        assert max(best_pearson(p.ppm, ppm_of(text))[0] for p in real if p.sign == sign) >= 0.9
    assert check["patterns"] == len(real) >= 3
    assert check["p"] < 0.01
    assert check["strongest"] > 2 * check["null_strongest"]


def test_sites_stand_where_they_were_planted_on_either_strand(recovered):
    (found, _, _), sites = recovered
    tata = max((p for p in found if p.sign < 0), key=lambda p: p.strength)
    _, offset, flip = best_pearson(tata.ppm, ppm_of(MOTIFS[1]))
    assert offset == 0
    assert len(tata.ppm) == 6
    true = {(row, start, strand ^ flip) for row, start, number, strand in sites if number == 1}
    assert len(true & set(tata.sites)) >= 0.85 * len(tata.sites)
    assert {site.flip for site in tata.sites} == {0, 1}


def test_the_other_strand_gives_the_same_motifs():
    one_hot, values, _ = planted(regions=40, seed=3)
    ahead = found_in(one_hot, values, 1)[0]
    back = found_in(one_hot[:, ::-1, ::-1], values[:, ::-1], 1)[0]
    for pattern in ahead[:3]:
        assert max(best_pearson(other.ppm, pattern.ppm)[0] for other in back) >= 0.95


def test_nothing_is_drawn_at_random():
    one_hot, values, _ = planted(regions=40, seed=4)
    first, second = (found_in(one_hot, values, 2) for _ in range(2))
    assert [p.sites for p in first[0]] == [p.sites for p in second[0]]
    assert first[1:] == second[1:]


@pytest.mark.parametrize("draw", ["normal", "heavy"])
def test_noise_that_does_not_pile_up_gives_no_seqlets(draw):
    rng = np.random.default_rng(6)
    values = rng.normal(size=(60, 400)) if draw == "normal" else rng.standard_t(2, size=(60, 400))
    assert seqlets.call(values) == []


def test_noise_that_piles_up_gives_groups_and_none_of_them_counts():
    """Smooth maps hold groups of many sites: it is the null run that says what these are worth."""
    rng = np.random.default_rng(6)
    one_hot = np.eye(4)[rng.integers(0, 4, (40, 300))]
    found, rows, check = found_in(one_hot, gaussian_filter1d(rng.normal(size=(40, 300)), 3, axis=1), 4)
    assert max(len(p.sites) for p in found) >= 10
    assert check["found"] == len(found) > 0
    assert check["patterns"] == 0
    assert check["null_strongest"] > 0.5 * check["strongest"]
    assert all(row["p"] > 0.01 for row in rows)


def test_a_model_that_answers_shuffled_sequence_alike_has_no_motif():
    one_hot, values, _ = planted(regions=40, seed=8)
    other, again, _ = planted(regions=40, seed=9)
    maps, called = Maps(one_hot, values), seqlets.call(values)
    found = patterns.discover(maps, called, 1)
    shuffled = Maps(other, again), seqlets.call_like(values, again)
    rows, check = motif_null.judge(maps, called, found, shuffled=shuffled, runs=2)
    assert check["patterns"] == 0
    assert all(row["shuffled_sites"] > 0 for row in rows[:3])
    quiet = Maps(other, np.zeros_like(again)), []
    assert motif_null.judge(maps, called, found, shuffled=quiet, runs=2)[1]["patterns"] >= 3


def test_the_null_keeps_the_piles_and_moves_what_they_stand_on():
    one_hot, values, _ = planted(regions=10, seed=1)
    maps, called = Maps(one_hot, values), seqlets.call(values)
    moved, shifts = motif_null.turned(called, values.shape[1], 0, 0)
    behind = motif_null.turned_maps(maps, shifts)
    for seqlet in moved:
        total = behind.contributions[seqlet.region, seqlet.core : seqlet.core + seqlets.CORE].sum()
        assert total == pytest.approx(seqlet.attribution)
    assert np.array_equal(behind.one_hot, one_hot)


def test_seqlets_are_called_in_piles_and_not_in_scattered_values():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (50, 300))
    assert seqlets.call(values) == []
    for row in range(50):
        values[row, 100:108] += 1.0
        values[row, 200:208] -= 1.0
    called = seqlets.call(values)
    assert {(s.region, s.sign) for s in called} == {(row, sign) for row in range(50) for sign in (1, -1)}
    assert all(abs(s.core - (100 if s.sign > 0 else 200)) <= 2 for s in called)
    assert seqlets.call(np.stack([rng.permutation(row) for row in values])) == []


def test_maps_without_anything_give_nothing():
    assert seqlets.call(np.zeros((3, 50))) == []
    assert seqlets.call(np.ones((3, 4))) == []
    _, check = motif_null.judge(Maps(np.zeros((1, 50, 4)), np.zeros((1, 50))), [], [])
    assert (check["found"], check["patterns"], check["p"]) == (0, 0, 1.0)
