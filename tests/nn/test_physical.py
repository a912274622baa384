"""Tables of physical properties: the published figures, both strands alike, and a loop's averages."""

import pytest
import torch

from genomelm.nn.physical import DNA_PAIRS, RESIDUES, RNA_PAIRS, StructureBranch, property_table
from genomelm.seq.alphabet import ALPHABETS, encode, reverse_complement


def weights(sequence: str, alphabet: str) -> torch.Tensor:
    ids = torch.from_numpy(encode(sequence, alphabet))
    return (ids[:, None] == torch.tensor([ord(c) for c in ALPHABETS[alphabet].columns])).float()[None]


def values(sequence: str, alphabet: str = "dna") -> torch.Tensor:
    return StructureBranch(8, alphabet).values(weights(sequence, alphabet))[0]


@pytest.mark.parametrize("alphabet", ["dna", "rna", "protein"])
def test_tables_are_standardised_and_the_unknown_letter_is_the_mean(alphabet: str) -> None:
    table = property_table(alphabet)
    letters = len(ALPHABETS[alphabet].letters)
    known = table[:letters] if alphabet == "protein" else table[:letters, :letters].flatten(0, 1)
    torch.testing.assert_close(known.mean(0), torch.zeros(known.shape[-1]), atol=1e-6, rtol=0)
    torch.testing.assert_close(known.std(0, correction=0), torch.ones(known.shape[-1]))
    assert not table[letters].any()
    assert alphabet == "protein" or not table[:, letters].any()


def test_free_energies_are_those_of_the_published_enthalpies_and_entropies() -> None:
    """dG = dH - T dS at 37 C, from the same papers' tables (kcal/mol and cal/mol/K); pairs by their lower strand."""
    dna = {
        **{"AA": (-7.9, -22.2), "AT": (-7.2, -20.4), "TA": (-7.2, -21.3), "CA": (-8.5, -22.7), "AC": (-8.4, -22.4)},
        **{"AG": (-7.8, -21.0), "GA": (-8.2, -22.2), "CG": (-10.6, -27.2), "GC": (-9.8, -24.4), "CC": (-8.0, -19.9)},
    }
    rna = {
        **{"AA": (-6.82, -19.0), "AU": (-9.38, -26.7), "UA": (-7.69, -20.5), "CA": (-10.44, -26.9)},
        **{"AC": (-11.40, -29.5), "AG": (-10.48, -27.1), "GA": (-12.44, -32.5), "CG": (-10.64, -26.7)},
        **{"GC": (-14.88, -36.9), "CC": (-13.39, -32.7)},
    }
    for table, source in ((DNA_PAIRS, dna), (RNA_PAIRS, rna)):
        assert table.keys() == source.keys()
        for pair, (enthalpy, entropy) in source.items():
            assert abs(table[pair][0] - (enthalpy - 310.15e-3 * entropy)) < 0.06


def test_figures_stand_in_their_known_order() -> None:
    roll, twist = ({pair: row[n] for pair, row in DNA_PAIRS.items()} for n in (1, 2))
    assert max(roll, key=roll.get) == "CG"
    assert min(roll, key=roll.get) == "GC"
    assert min(twist, key=twist.get) == "AA"  # A-tracts are the most propeller-twisted
    hydropathy, charge, volume = ({a: row[n] for a, row in RESIDUES.items()} for n in (0, 1, 2))
    assert sorted(hydropathy, key=hydropathy.get)[0] == "R"
    assert sorted(hydropathy, key=hydropathy.get)[-1] == "I"
    assert {a for a, q in charge.items() if q} == set("DEKR")
    assert (min(volume, key=volume.get), max(volume, key=volume.get)) == ("G", "W")
    assert set(RESIDUES) == set(ALPHABETS["protein"].letters)


def test_each_byte_has_the_value_of_its_pair_with_the_byte_before() -> None:
    table, columns = property_table("dna"), "ACGTN"
    sequence = "ACGTNNACCA"
    for i, value in enumerate(values(sequence)):
        before = sequence[i - 1] if i else "N"
        torch.testing.assert_close(value, table[columns.index(before), columns.index(sequence[i])])


def test_both_strands_of_dna_have_the_same_values_mirrored() -> None:
    sequence = "ACGTTGACANNTATAATGCAGGTGATTACA"
    here, there = values(sequence), values(reverse_complement(sequence))
    torch.testing.assert_close(here[1:], there[1:].flip(0))  # the pair (i-1, i) is (l-1-i, l-i) over there
    assert here.abs().max() > 1


def test_rna_pairs_of_one_stack_are_equal() -> None:
    table = property_table("rna")  # columns A C G U
    for a in range(4):
        for b in range(4):
            assert torch.equal(table[a, b], table[3 - b, 3 - a])


def test_proteins_have_the_values_of_their_residues_and_mixtures_the_mean() -> None:
    table, columns = property_table("protein"), ALPHABETS["protein"].columns
    torch.testing.assert_close(values("MKWX", "protein"), table[[columns.index(c) for c in "MKWX"]])
    mixed = 0.25 * weights("ACGT", "dna") + 0.75 * weights("TTGA", "dna")
    expected = torch.zeros(4, 3)
    for first, p in (("ACGT", 0.25), ("TTGA", 0.75)):
        for second, q in (("ACGT", 0.25), ("TTGA", 0.75)):
            for i in range(1, 4):
                columns = "ACGTN"
                expected[i] += p * q * property_table("dna")[columns.index(first[i - 1]), columns.index(second[i])]
    torch.testing.assert_close(StructureBranch(8, "dna").values(mixed)[0, 1:], expected[1:])
