import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genomelm.errors import InputError, UsageError
from genomelm.seq.alphabet import (
    DNA,
    MASK,
    PROTEIN,
    check_letters,
    decode,
    encode,
    reverse_complement,
    reverse_complement_ids,
)

IUPAC = "ACGTNRYSWKMBDHVacgtnryswkmbdhv"


def test_an_id_is_the_upper_case_byte():
    assert encode("acGT").tolist() == [65, 67, 71, 84]
    assert DNA.columns == "ACGTN"
    assert DNA.ids.tolist() == [65, 67, 71, 84]


@given(st.text(alphabet=IUPAC))
def test_letters_outside_the_alphabet_become_unknown(sequence):
    expected = "".join(base if base in "ACGT" else "N" for base in sequence.upper())
    assert decode(encode(sequence)) == expected
    assert decode(encode(sequence.encode())) == expected


def test_each_alphabet_has_its_own_unknown():
    assert decode(encode("ACGU", "rna")) == decode(encode("acgt", "rna")) == "ACGU"
    assert decode(encode("ACGU", "dna")) == "ACGN"
    assert decode(encode("MKV*BZ", "protein")) == "MKVXXX"
    assert len(PROTEIN.letters) == 20
    with pytest.raises(UsageError, match="dna, rna, protein"):
        encode("A", "dnaa")


def test_letters_outside_ascii_keep_the_length():
    assert decode(encode("A\u00e9\u4e2dC")) == "ANNC"


@given(st.text(alphabet=IUPAC))
def test_reverse_complement_is_its_own_inverse_and_keeps_case(sequence):
    assert reverse_complement(reverse_complement(sequence)) == sequence
    assert reverse_complement(sequence.upper()) == reverse_complement(sequence).upper()


@given(st.text(alphabet=IUPAC))
def test_ids_and_text_agree_on_the_reverse_strand(sequence):
    assert np.array_equal(reverse_complement_ids(encode(sequence)), encode(reverse_complement(sequence)))


def test_special_ids_survive_reversal_and_are_not_text():
    ids = np.array([65, MASK, 67])
    assert reverse_complement_ids(ids).tolist() == [71, MASK, 84]
    assert decode(ids) == "AC"


@pytest.mark.parametrize(
    ("sequence", "alphabet", "message"),
    [
        ("MKVLAAGIVGLPNVGKSTLF", "dna", r"p: 13 of 20 letters are not dna \('V', 'L', 'K'\): is it protein\?"),
        ("ACGU" * 5, "dna", r"5 of 20 letters are not dna \('U'\): is it rna\?"),
        ("MKVLAAGIVGLPNVGKSTLF", "rna", "not rna.*is it protein"),
        ("acgt" * 5, "protein", "all 20 letters are nucleotides"),
        ("1234567890", "protein", "no sequence that is known"),
    ],
)
def test_a_record_of_another_alphabet_is_refused_by_name(sequence, alphabet, message):
    with pytest.raises(InputError, match=message):
        check_letters([sequence[:3], sequence[3:]], alphabet, "p")


@pytest.mark.parametrize(
    ("sequence", "alphabet"),
    [
        ("", "dna"),
        ("N" * 50, "dna"),
        ("ACGTacgtR" + "N" * 3, "dna"),
        ("ACGT" * 5, "rna"),
        ("ACGU" * 5, "rna"),
        ("MKVLAAGIVX*", "protein"),
        ("A" * 40, "protein"),
        ("ACGTN", "protein"),
    ],
)
def test_unknown_letters_and_a_few_foreign_ones_are_no_other_alphabet(sequence, alphabet):
    check_letters([sequence], alphabet, "p")
