"""The brute-force check sees every offset and letter, and the shuffled regions are regions that share no bases."""

import numpy as np
from filter_models import LENGTH, WORD, filter_model, filters_of, with_word

from genomelm.interpret.attribution import _brute_force, null_maps
from genomelm.interpret.kept import Kept
from genomelm.interpret.regions import Region, Regions, from_sequences

MODEL = filter_model("one", filters_of(WORD), threshold=4.0)


class Asked:
    """A model that notes which (region, offset, letter) it is asked for."""

    def __init__(self, sequences):
        self.sequences, self.seen = sequences, []

    def predict_pairs(self, sequence, mutants):
        (mutant,) = mutants
        (offset,) = [i for i, (a, b) in enumerate(zip(sequence, mutant, strict=True)) if a != b]
        self.seen.append((self.sequences.index(sequence), offset, mutant[offset]))
        return MODEL.predict_pairs(sequence, mutants)


def checked(tmp_path, sequences, count, spoil=lambda maps: maps):
    model = Asked(sequences)
    maps = spoil(MODEL.saturate(sequences))[None]
    kept = Kept(tmp_path / "parts", {}, False)
    found = _brute_force(from_sequences(sequences), [model], maps, count, kept)
    kept.remove()
    return found, model.seen


def test_brute_force_draws_over_regions_offsets_and_letters(tmp_path):
    sequences = with_word(100)
    found, seen = checked(tmp_path, sequences, 200)  # 60 substitutions a draw, of 120 in a region
    assert found["compared"] == len(set(seen)) == 200
    assert found["largest_difference"] < 1e-9
    assert len({offset for _, offset, _ in seen}) > LENGTH / 2
    assert len({region for region, _, _ in seen}) > 50
    assert {letter for _, _, letter in seen} == set("ACGT")
    assert checked(tmp_path, sequences, 200)[1] == seen


def test_brute_force_sees_maps_that_are_wrong_at_some_offsets(tmp_path):
    def spoil(maps):
        maps = maps.copy()
        maps[:, 5::8] += 1.0
        return maps

    assert checked(tmp_path, with_word(100), 200, spoil)[0]["largest_difference"] > 0.5


def test_brute_force_of_few_bases_takes_each_and_of_none_says_so(tmp_path):
    found, seen = checked(tmp_path, ["N" * 30 + WORD + "NN"], 200)
    assert found["compared"] == len(set(seen)) == 3 * len(WORD)
    assert "reason" in checked(tmp_path, ["N" * 40], 200)[0]


def test_regions_that_overlap_are_shuffled_once(tmp_path):
    sequences = with_word(6)
    rows = tuple(Region(f"r{i}", f"s{i // 2}", i % 2, i % 2 + LENGTH) for i in range(6))
    maps = null_maps(Regions(rows, tuple(sequences)), [MODEL], 0, Kept(tmp_path / "parts", {}, False))
    assert maps["null_ism"].shape == (3, LENGTH, 4)
    composition = maps["null_one_hot"].sum(1).tolist()
    assert composition == [[s.count(letter) for letter in "ACGT"] for s in sequences[::2]]
    assert np.isfinite(maps["null_ism"]).all()
