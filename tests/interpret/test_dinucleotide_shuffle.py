from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from genomelm.interpret.null import dinucleotide_shuffle


@given(st.text(alphabet="ACGTN", max_size=80), st.integers(0, 2**40), st.integers(0, 1000))
def test_shuffle_keeps_dinucleotide_counts_and_both_ends(sequence, seed, index):
    shuffled = dinucleotide_shuffle(sequence, seed, index)
    assert Counter(pairwise(shuffled)) == Counter(pairwise(sequence))
    assert shuffled[:1] == sequence[:1]
    assert shuffled[-1:] == sequence[-1:]


def test_shuffle_is_a_function_of_its_counters():
    sequence = "ACGTTGCAACGGTCATTGCA" * 3
    assert dinucleotide_shuffle(sequence, 1, 4) == dinucleotide_shuffle(sequence, 1, 4)
    assert len({dinucleotide_shuffle(sequence, 1, index) for index in range(30)}) == 30
    assert dinucleotide_shuffle(sequence, 2, 4) != dinucleotide_shuffle(sequence, 1, 4)


def test_every_eulerian_path_is_drawn_about_equally_often():
    sequence = "AACATAGA"  # successors of A: A, C, T, G in any order that ends in A
    drawn = Counter(dinucleotide_shuffle(sequence, 0, index) for index in range(2400))
    assert len(drawn) == 24
    assert min(drawn.values()) > 60
    assert max(drawn.values()) < 150


def test_last_edges_of_several_letters_are_drawn_uniformly():
    sequence = "ACAGCGACA"
    drawn = Counter(dinucleotide_shuffle(sequence, 7, index) for index in range(4000))
    every = {p for p in _orders(sequence) if Counter(pairwise(p)) == Counter(pairwise(sequence))}
    assert set(drawn) == every
    assert max(drawn.values()) < 1.5 * 4000 / len(every)
    assert min(drawn.values()) > 0.6 * 4000 / len(every)


def _orders(sequence):
    from itertools import permutations

    return {sequence[0] + "".join(middle) + sequence[-1] for middle in set(permutations(sequence[1:-1]))}
