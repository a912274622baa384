"""Records of one text are one observation, however they are shifted, turned round or slightly changed."""

import numpy as np
import pytest

from genomelm.interpret import regions as room
from genomelm.interpret.null import dinucleotide_shuffle
from genomelm.seq.alphabet import reverse_complement


def letters(count, seed):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), count))


def counted(sequences):
    found = room.from_sequences(sequences)
    return room.apart(found.rows, found.sequences)


@pytest.mark.parametrize("turned", [False, True])
def test_windows_shifted_along_one_text_count_once_where_they_share_much(turned):
    text = letters(400, 1)
    windows = [text[at : at + 100] for at in (0, 5, 40, 95, 200)]
    if turned:
        windows = [reverse_complement(w) if i % 2 else w for i, w in enumerate(windows)]
    assert counted(windows) == [0, 3, 4]  # the fourth shares 5 bases with the first


def test_a_copy_with_letters_changed_counts_with_the_first():
    text = letters(120, 2)
    changed = "".join("ACGT"["CATG".index(c)] if i in (30, 70, 90) else c for i, c in enumerate(text))
    assert changed != text
    assert counted([text, letters(120, 3), changed]) == [0, 1]


def test_random_sequences_and_shuffles_are_observations_of_their_own():
    texts = [letters(1000, seed) for seed in range(40)]
    assert counted([*texts, *(dinucleotide_shuffle(text, 5, i) for i, text in enumerate(texts))]) == list(range(80))


def test_a_shared_pair_of_motifs_does_not_make_sequences_alike():
    pair = "CAATGGAACGTAGCCTTG"  # 18 letters in a row
    texts = [letters(30, seed) + pair + letters(32, 100 + seed) for seed in range(20)]
    assert counted(texts) == list(range(20))


def test_unknown_letters_are_no_likeness():
    assert counted(["N" * 40 + letters(60, 7), "N" * 40 + letters(60, 8)]) == [0, 1]
    assert counted(["ACGT", "ACGA", "TCGT"]) == [0, 1]  # shorter than a word: only what reads the same
