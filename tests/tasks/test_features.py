"""Features of the plain opponents against counts by hand."""

import itertools

import numpy as np
import pytest

from genomelm.errors import InputError
from genomelm.seq.alphabet import ALPHABETS, reverse_complement
from genomelm.tasks.features import kmer_frequencies, one_hot

SEQUENCES = {
    "dna": ("ACGTACGN", "TTTTTTTT", "AC", "", "NACGN"),
    "rna": ("ACGUUU", "GGGGG", "R"),
    "protein": ("MKTAYNNWC", "XYYM*K", "N"),
}


@pytest.mark.parametrize(("alphabet", "largest"), [("dna", 3), ("rna", 3), ("protein", 2)])
def test_kmer_frequencies_agree_with_a_count_by_hand(alphabet, largest):
    sequences = SEQUENCES[alphabet]
    features = kmer_frequencies(sequences, largest, alphabet).toarray()
    kmers = [
        "".join(k) for n in range(1, largest + 1) for k in itertools.product(ALPHABETS[alphabet].letters, repeat=n)
    ]
    assert features.shape == (len(sequences), len(kmers))
    for column, kmer in enumerate(kmers):
        for row, sequence in enumerate(sequences):
            places = len(sequence) - len(kmer) + 1
            expected = sum(sequence[i : i + len(kmer)] == kmer for i in range(places)) / max(places, 1)
            assert features[row, column] == pytest.approx(expected, abs=1e-6)


def test_kmers_of_two_strands_are_those_of_either_strand_and_the_same_for_both():
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGTN"), 30)) for _ in range(5)]
    others = [reverse_complement(sequence) for sequence in sequences]
    both = kmer_frequencies(sequences, 4, two_strands=True)
    assert np.allclose(both.toarray(), kmer_frequencies(others, 4, two_strands=True).toarray())
    forward, reverse = (kmer_frequencies(texts, 4).toarray() for texts in (sequences, others))
    kmers = ["".join(k) for n in range(1, 5) for k in itertools.product("ACGT", repeat=n)]
    for column, kmer in enumerate(kmers):
        other = reverse_complement(kmer)
        expected = forward[:, column] + (reverse[:, column] if other != kmer else 0) if kmer <= other else 0
        assert both.toarray()[:, column] == pytest.approx(expected, abs=1e-6)


def test_one_hot_has_one_column_a_letter_and_position():
    assert one_hot(("AC", "NT")).toarray().tolist() == [[1, 0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]]
    assert one_hot(("U", "R"), "rna").toarray().tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]
    protein = one_hot(("WN",), "protein").toarray().reshape(2, 20)
    assert protein[0].nonzero()[0].tolist() == [ALPHABETS["protein"].letters.index("W")]
    assert protein[1].nonzero()[0].tolist() == [ALPHABETS["protein"].letters.index("N")]


def test_one_hot_of_two_strands_is_their_sum():
    expected = one_hot(("AACG",)) + one_hot(("CGTT",))
    assert (one_hot(("AACG",), two_strands=True) != expected).nnz == 0


def test_one_hot_of_several_lengths_names_the_first_other_one():
    with pytest.raises(InputError, match="number 3 has 5 letters, the first 4"):
        one_hot(("ACGT", "ACGT", "ACGTA"))
