"""Variant names: substitutions of a reference, and what is no such name."""

import numpy as np
import pytest

from genomelm.errors import InputError
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.read import read_examples
from genomelm.tasks.splits import sequence_key

WILD = "MKTAYIAK"
TASK = TaskConfig(
    "toy",
    kind="variant_effect",
    source="variant_names",
    alphabet="protein",
    variant_column="v",
    label_column="s",
    reference=WILD,
    first_position=10,
)
NAMES = ["M10A", "K11R", "T12S,Y14F", "A13G", "Y14W,K17E", "I15V"]
MUTANTS = ["AKTAYIAK", "MRTAYIAK", "MKSAFIAK", "MKTGYIAK", "MKTAWIAE", "MKTAYVAK"]


def read(folder, names, task=TASK, mutants=MUTANTS):
    rows = [f"{name}\t{-i / 4}" for i, name in enumerate(names)]
    return read_examples(task, folder.table(rows, "v\ts", "data.tsv.gz"), split=folder.halves(mutants))


def test_a_name_is_written_into_the_reference_and_the_score_is_the_effect(folder):
    examples = read(folder, NAMES)
    assert examples.sequences == tuple(MUTANTS)
    assert examples.references == (WILD,) * 6
    assert examples.labels == pytest.approx(-np.arange(6) / 4)
    assert list(examples.splits) == ["test", "validation", "train", "train", "test", "validation"]
    assert examples.alphabet == "protein"


def test_the_order_of_substitutions_and_case_do_not_move_a_variant_to_another_split(folder):
    examples = read(folder, [*NAMES[:4], " k17e,y14w", NAMES[5]])
    assert examples.sequences[4] == MUTANTS[4]
    assert examples.splits[4] == "test"
    assert sequence_key("mktawiae") == sequence_key(MUTANTS[4])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("K10A", "1 variants name another wild type than the reference has there, first at row 5 (K10A, reference M)"),
        ("M9A", "1 variants lie outside the reference (10 to 17: first_position), first at row 5 (M9A)"),
        ("K18A", "1 variants lie outside the reference (10 to 17: first_position), first at row 5 (K18A)"),
        ("M10*", "1 variants make or lose a stop (*), which is no letter, first at row 5 (M10*)"),
        ("M10A,*11K", "1 variants make or lose a stop (*), which is no letter, first at row 5 (*11K)"),
        ("M10B", "1 variants have a letter outside protein (ACDEFGHIKLMNPQRSTVWY), first at row 5 (M10B)"),
        ("M10A,M10C", "1 variants change one position twice, first at row 5 (M10C)"),
        ("p.Met10Ala", "1 variants are no substitutions like A24G, first at row 5 (p.Met10Ala)"),
        ("M10A,", "1 variants are no substitutions like A24G, first at row 5 (empty)"),
    ],
)
def test_a_name_that_does_not_fit_is_told_with_its_row(folder, name, expected):
    with pytest.raises(InputError) as caught:
        read(folder, [*NAMES[:3], name, *NAMES[4:]])
    assert expected in str(caught.value)
    assert str(caught.value).endswith("correct or remove these rows")
    assert caught.value.exit_code == 3


def test_all_bad_names_are_counted_and_the_first_five_of_a_kind_named(folder):
    with pytest.raises(InputError) as caught:
        read(folder, [*NAMES, *["M10*"] * 7, "K10A", "K10C"])
    message = str(caught.value)
    assert "7 variants make or lose a stop" in message
    assert "row 8 (M10*), row 9 (M10*), row 10 (M10*), row 11 (M10*), row 12 (M10*); 2 variants name another" in message
    assert "row 13" not in message


def test_a_score_that_is_text_is_named(folder):
    rows = [f"{name}\t{i if i != 3 else 'low'}" for i, name in enumerate(NAMES)]
    with pytest.raises(InputError, match=r"1 labels in column s are text, not numbers, first at row 5 \('low'\)"):
        read_examples(TASK, folder.table(rows, "v\ts", "data.tsv.gz"), split=folder.halves(MUTANTS))
