import numpy as np
import pytest

from genomelm.errors import InputError, NumericalError
from genomelm.interpret import ism

WEIGHTS = np.random.default_rng(3).normal(size=(60, 4))


def toy_score(sequence: str) -> float:
    """A non-additive score: weights by position, and neighbours that interact."""
    track = (ism.one_hot(sequence) * WEIGHTS[: len(sequence)]).sum(axis=1)
    return float(np.tanh(track[:-1] * track[1:]).sum() + track.sum())


def toy_pairs(reference: str, alternates: list[str]) -> tuple[float, np.ndarray]:
    return toy_score(reference), np.array([toy_score(alternate) for alternate in alternates])


def random_dna(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_ism_equals_brute_force(batch_size):
    sequence = random_dna(33)
    found = ism.saturation(toy_pairs, sequence, batch_size=batch_size)
    for i in range(len(sequence)):
        for column, base in enumerate("ACGT"):
            mutated = sequence[:i] + base + sequence[i + 1 :]
            assert found[i, column] == pytest.approx(toy_score(mutated) - toy_score(sequence), abs=1e-12)


def test_effect_is_zero_at_the_reference_base_and_at_unknown_letters():
    found = ism.saturation(toy_pairs, "ACNGTacgt")
    assert found.shape == (9, 4)
    assert not found[ism.one_hot("ACNGTacgt").astype(bool)].any()
    assert not found[2].any()
    assert found[0].any()


def test_every_call_names_the_reference_first():
    seen = []

    def pairs(reference, alternates):
        seen.append((reference, len(alternates)))
        return toy_pairs(reference, alternates)

    ism.saturation(pairs, "acgtacgta", batch_size=10)
    assert seen == [("ACGTACGTA", 10), ("ACGTACGTA", 10), ("ACGTACGTA", 7)]


def test_importance_is_unsigned_and_support_is_signed():
    effects = np.array([[0.0, -3.0, -3.0, -3.0], [1.0, 0.0, -1.0, 0.0]])
    assert ism.importance(effects).tolist() == [3.0, pytest.approx(2 / 3)]
    assert ism.support(effects).tolist() == [3.0, 0.0]


def test_a_score_that_is_not_finite_is_an_error_with_its_offset():
    def pairs(reference, alternates):
        scores = np.zeros(len(alternates))
        scores[[a[4] != reference[4] for a in alternates]] = np.nan
        return 0.0, scores

    with pytest.raises(NumericalError, match="offset 4"):
        ism.saturation(pairs, "ACGTACGT")


def test_an_unknown_alphabet_is_named():
    with pytest.raises(InputError, match="'klingon'"):
        ism.one_hot("ACGT", "klingon")


def test_largest_gap_finds_a_score_that_depends_on_its_batch():
    sequence = random_dna(20)
    assert ism.largest_gap(toy_pairs, sequence, ism.saturation(toy_pairs, sequence)) == (
        pytest.approx(0, abs=1e-12),
        60,
    )

    def leaky(reference, alternates):
        score, scores = toy_pairs(reference, alternates)
        return score, scores + 0.01 * len(alternates)

    gap, compared = ism.largest_gap(leaky, sequence, ism.saturation(leaky, sequence), every=3)
    assert gap > 0.1
    assert compared == 20
