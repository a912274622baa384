"""Faults of labels, sequences and splits: exit 3, counted, the first five rows named."""

import numpy as np
import pytest

from genomelm.errors import InputError
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.faults import check_examples
from genomelm.tasks.read import read_examples

LABEL = TaskConfig("toy", sequence_column="x", label_column="y")
BINS = TaskConfig("toy", sequence_column="x", bin_columns=("a", "b"))
CLASSES = TaskConfig("toy", kind="sequence_classification", sequence_column="x", label_column="y")


def said(task, data, split):
    with pytest.raises(InputError) as caught:
        read_examples(task, data, split=split)
    assert caught.value.exit_code == 3
    return str(caught.value)


@pytest.fixture
def rows(folder):
    """Return nine good rows, x and y."""
    return [[text, str(i)] for i, text in enumerate(folder.sequences(9))]


def written(folder, rows, columns="x,y"):
    split = folder.halves([row[0] for row in rows])
    return folder.table([",".join(row) for row in rows], columns), split


@pytest.mark.parametrize("label", ["nan", "NaN", "", "inf"])
def test_labels_that_are_no_finite_number(folder, rows, label):
    for i in (2, 3, 4, 6, 7, 8):
        rows[i][1] = label
    message = said(LABEL, *written(folder, rows))
    assert "6 labels are not finite numbers" in message
    assert "first at row 4, row 5, row 6, row 8, row 9; remove these rows" in message
    assert "row 10" not in message


def test_text_in_a_regression_column(folder, rows):
    rows[2][1], rows[8][1], rows[3][1] = "high", "n/a", "nan"
    message = said(LABEL, *written(folder, rows))
    assert "2 labels in column y are text, not numbers, first at row 4 ('high'), row 10 ('n/a')" in message


def test_rows_without_counts_or_with_negative_ones(folder, rows):
    rows = [[text, y, "1"] for text, y in rows]
    rows[2][1:], rows[3][1:] = ["0", "0"], ["-1", "5"]
    message = said(BINS, *written(folder, rows, "x,a,b"))
    assert "2 rows have no counts, or negative ones, first at row 4, row 5" in message


def test_one_class_only(folder, rows):
    for i, row in enumerate(rows):
        row[1] = str(int(i > 3))
    message = said(CLASSES, *written(folder, [rows[i] for i in (0, 2, 3, 4, 1, 5, 6, 7, 8)]))
    assert "the test split has one label only: 0 in all 2 rows, first at row 2, row 6" in message


def test_classes_other_than_0_and_1(folder, rows):
    message = said(CLASSES, *written(folder, rows))
    assert "labels must be 0 or 1; 7 are not, first at row 4, row 5, row 6, row 7, row 8" in message


def test_no_examples_in_a_split(folder, rows):
    data, _ = written(folder, rows)
    assert "no examples in the validation split" in said(LABEL, data, folder.split({rows[0][0]: "test"}))


def test_empty_sequences(folder, rows):
    _, split = written(folder, rows)
    rows[2][0], rows[6][0] = "", " "
    assert "2 sequences are empty, first at row 4, row 8" in said(LABEL, written(folder, rows)[0], split)


def test_sequences_of_another_length_than_the_reference(folder, rows):
    task = TaskConfig("toy", sequence_column="x", label_column="y", reference="ACGTACGTACGT")
    rows[2][0], rows[7][0] = "ACGT", "ACGTACGTACGTA"
    message = said(task, *written(folder, rows))
    assert "2 sequences do not have the 12 letters of the task's reference, first at row 4 (4), row 9 (13)" in message


def test_a_protein_given_as_dna(folder):
    texts = folder.sequences(9, 40, letters="ACDEFGHIKLMNPQRSTVWY")
    data = folder.table([f"{text},{i}" for i, text in enumerate(texts)])
    message = said(LABEL, data, folder.halves(texts))
    assert "9 sequences have over 10% of letters that are not ACGTN (alphabet dna), first at row 2 (" in message
    assert "is the task's alphabet protein?" in message
    protein = TaskConfig("toy", sequence_column="x", label_column="y", alphabet="protein")
    assert read_examples(protein, data, split=folder.halves(texts)).alphabet == "protein"


def test_dna_given_as_protein(folder, rows):
    protein = TaskConfig("toy", sequence_column="x", label_column="y", alphabet="protein")
    assert "all 108 letters are nucleotides" in said(protein, *written(folder, rows))


def test_rna_given_as_dna_and_no_sequence_at_all(folder):
    texts = ["ACGUACGUACGU", "UUUUUUAAAAAA", *folder.sequences(7)]
    data = folder.table([f"{text},{i}" for i, text in enumerate(texts)])
    message = said(LABEL, data, folder.halves(texts))
    assert "2 sequences have over 10%" in message
    assert "row 2 (25%), row 3 (50%); is the task's alphabet rna?" in message
    texts[0] = "12345678"
    data = folder.table([f"{text},{i}" for i, text in enumerate(texts)])
    assert "row 2 (100%), row 3 (50%); are these sequences?" in said(LABEL, data, folder.halves(texts))


def test_one_foreign_letter_in_ten_is_allowed(folder, rows):
    rows[2][0] = "ACGTACGTAR"
    data, split = written(folder, rows)
    assert read_examples(LABEL, data, split=split).sequences[2] == "ACGTACGTAR"


@pytest.mark.parametrize(
    ("columns", "content", "expected"),
    [
        ("x,y", [], "has a header and no rows"),
        ("x,z", ["ACGT,1"], "has no column y; its columns: x, z"),
        ("x,y,y", ["ACGT,1,2"], "has the column y 2 times"),
        (
            "x,y",
            ["ACGT,1", "ACGT", "ACGT,1,2"],
            "2 rows do not have the 2 columns of the header, first at row 3 (1), row 4",
        ),
    ],
)
def test_tables_of_another_form(folder, columns, content, expected):
    data = folder.table(content, columns)
    assert expected in said(LABEL, data, folder.split({"ACGT": "test"}))


def test_a_file_without_a_line_is_empty(folder):
    path = folder.path / "data.tsv"
    path.write_bytes(b"")
    assert "is empty" in said(LABEL, path, folder.split({"ACGT": "test"}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "must have the columns sequence_sha256 and split, not: none"),
        ("key\tsplit\n", "must have the columns sequence_sha256 and split, not: key, split"),
        (
            "sequence_sha256\tsplit\n0a\ttest\n0b\ttset\n0c\tdev\n",
            "2 lines name unknown splits, first at line 3 ('tset'), line 4 ('dev'); known: train, validation, test",
        ),
        ("sequence_sha256\tsplit\n0a\n", "1 lines do not have two columns, first at line 2"),
        ("sequence_sha256\tsplit\n0a\ttest\n0a\ttrain\n", "1 lines name a second split of a sequence, first at line 3"),
        ("sequence_sha256\tsplit\n0a\ttest\n", "names none of the 9 sequences"),
    ],
)
def test_split_files_that_do_not_fit(folder, rows, text, expected):
    data, split = written(folder, rows)
    split.write_text(text)
    assert expected in said(LABEL, data, split)


@pytest.mark.parametrize("value", [np.nan, 0.5])
def test_labels_of_bases_are_checked_too(value):
    task = TaskConfig("t", kind="token_classification", source="gff_tokens", window=8, token_step=2)
    labels = np.tile([0.0, 1.0, 1.0, 0.0] * 2, (6, 1))
    splits = np.array(["train", "validation", "test"] * 2)
    names = tuple(f"c:{i}" for i in range(6))
    assert check_examples(Examples(names, ("ACGTACGT",) * 6, labels, splits), task, "g.gff") is not None
    labels[4, 3] = value
    with pytest.raises(InputError, match="g.gff: .*first at c:4"):
        check_examples(Examples(names, ("ACGTACGT",) * 6, labels, splits), task, "g.gff")
