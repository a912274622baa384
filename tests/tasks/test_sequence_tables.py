"""Tables with pairs of alleles, classes by name, several label columns, and Parquet."""

import pyarrow
import pytest
from pyarrow import parquet

from genomelm.errors import InputError
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.read import read_examples
from genomelm.tasks.split_config import SplitConfig

CLASSES = TaskConfig(
    "types", "sequence_classification", sequence_column="x", label_column="y", classes=("tata", "inr", "none")
)
PAIRS = TaskConfig("pairs", "variant_effect", sequence_column="ref", alt_column="alt", label_column="y")


def test_a_row_may_be_a_pair_of_a_reference_and_an_alternate_of_its_own(folder):
    refs, alts = folder.sequences(6), folder.sequences(6, length=11, seed=1)
    rows = [f"{ref},{alt.lower()},{i}" for i, (ref, alt) in enumerate(zip(refs, alts, strict=True))]
    examples = read_examples(PAIRS, folder.table(rows, "ref,alt,y"), split=folder.halves(alts))
    assert examples.references == tuple(refs)
    assert examples.sequences == tuple(alts)
    assert examples.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert list(examples.splits) == ["test", "validation", "train", "train", "test", "validation"]


def test_a_pair_s_reference_is_checked_like_its_alternate(folder):
    refs, alts = folder.sequences(6), folder.sequences(6, seed=1)
    refs[2], alts[4] = "12345678", ""
    rows = [f"{ref},{alt},{i}" for i, (ref, alt) in enumerate(zip(refs, alts, strict=True))]
    with pytest.raises(InputError) as caught:
        read_examples(PAIRS, folder.table(rows, "ref,alt,y"), split=folder.halves(alts))
    assert "2 faults" in str(caught.value)
    assert "1 sequences are empty, first at row 6" in str(caught.value)
    assert "first at row 4, reference (100%)" in str(caught.value)


def test_a_class_is_the_number_of_its_name_in_the_task(folder):
    texts = folder.sequences(12)
    names = ["tata", "inr", "none", "inr", "inr", "none"] * 2
    data = folder.table([f"{text},{name}" for text, name in zip(texts, names, strict=True)])
    examples = read_examples(CLASSES, data, split=folder.halves(texts))
    assert examples.labels.tolist() == [0, 1, 2, 1, 1, 2] * 2
    assert (CLASSES.outputs, CLASSES.metric, CLASSES.output_names) == (3, "macro_auroc", ("tata", "inr", "none"))


def test_classes_that_the_task_does_not_name_are_told_with_the_nearest(folder):
    texts = folder.sequences(9)
    names = ["tata", "inr", "none", "tatta", "inr", "", "none", "tata", "inr"]
    data = folder.table([f"{text},{name}" for text, name in zip(texts, names, strict=True)])
    with pytest.raises(InputError) as caught:
        read_examples(CLASSES, data, split=folder.halves(texts))
    assert "2 labels are none of the task's classes (tata, inr, none), first at row 5 ('tatta'), row 7 ('')" in str(
        caught.value
    )
    assert "did you mean 'tata'?" in str(caught.value)


def test_a_class_without_a_training_example_is_told(folder):
    texts = folder.sequences(9)
    names = ["none", "inr", "inr", "tata", "tata", "tata", "inr", "tata", "inr"]
    data = folder.table([f"{text},{name}" for text, name in zip(texts, names, strict=True)])
    with pytest.raises(InputError, match="no training example has the class none"):
        read_examples(CLASSES, data, split=folder.halves(texts))


def test_several_columns_are_several_labels(folder):
    texts = folder.sequences(9)
    task = TaskConfig("two", sequence_column="x", label_columns=("a", "b"))
    data = folder.table([f"{text},{i},{i * i}" for i, text in enumerate(texts)], "x,a,b")
    assert read_examples(task, data, split=folder.halves(texts)).labels.tolist() == [[i, i * i] for i in range(9)]
    assert (task.outputs, task.metric, task.multi_label) == (2, "mean_pearson", False)
    labels = TaskConfig("marks", "sequence_classification", sequence_column="x", label_columns=("a", "b"))
    assert (labels.outputs, labels.metric, labels.multi_label) == (2, "macro_auroc", True)
    with pytest.raises(InputError, match="labels must be 0 or 1; 7 are not, first at row 4"):
        read_examples(labels, data, split=folder.halves(texts))


def test_a_column_that_is_constant_in_a_split_is_told_by_name(folder):
    texts = folder.sequences(9)
    task = TaskConfig("two", sequence_column="x", label_columns=("a", "b"))
    data = folder.table([f"{text},{i},7" for i, text in enumerate(texts)], "x,a,b")
    with pytest.raises(InputError) as caught:
        read_examples(task, data, split=folder.halves(texts))
    for split in ("train", "validation", "test"):
        assert f"the {split} split has one label only in column b: 7 in all" in str(caught.value)


def test_all_faults_of_a_table_come_at_once(folder):
    texts = folder.sequences(9)
    rows = [[text, str(i)] for i, text in enumerate(texts)]
    rows[2][1], rows[3][1], rows[5][0], rows[7][0] = "high", "nan", "", "EFILPQ"
    split = folder.halves(texts)
    with pytest.raises(InputError) as caught:
        read_examples(
            TaskConfig("t", sequence_column="x", label_column="y"), folder.table(map(",".join, rows)), split=split
        )
    message = str(caught.value)
    assert "4 faults" in message
    for part in (
        "text, not numbers, first at row 4",
        "not finite numbers (empty",
        "empty, first at row 7",
        "row 9 (100%)",
    ):
        assert part in message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("kind", ["numbers", "text"])
def test_a_parquet_file_is_a_table_like_any_other(folder, kind):
    texts = folder.sequences(9)
    labels = list(range(9)) if kind == "numbers" else [str(i) for i in range(9)]
    parquet.write_table(pyarrow.table({"x": texts, "y": labels, "z": labels}), folder.path / "data.parquet")
    task = TaskConfig("t", sequence_column="x", label_column="y")
    examples = read_examples(task, folder.path / "data.parquet", split=folder.halves(texts))
    assert examples.sequences == tuple(texts)
    assert examples.labels.tolist() == list(range(9))
    assert examples.names[0] == "row 1"


def test_truth_values_and_nulls_of_parquet_are_labels_and_missing_ones(folder):
    texts = folder.sequences(9)
    task = TaskConfig("t", "sequence_classification", sequence_column="x", label_column="y")
    labels = [i % 3 == 0 for i in range(9)]
    parquet.write_table(pyarrow.table({"x": texts, "y": labels}), folder.path / "data.parquet")
    split = folder.split({texts[0]: "test", texts[1]: "test", texts[3]: "validation", texts[4]: "validation"})
    assert read_examples(task, folder.path / "data.parquet", split=split).labels.tolist() == labels
    parquet.write_table(pyarrow.table({"x": texts, "y": [*labels[:8], None]}), folder.path / "data.parquet")
    with pytest.raises(InputError, match="1 labels are not finite numbers .*, first at row 9"):
        read_examples(task, folder.path / "data.parquet", split=split)


def test_a_parquet_file_without_the_column_or_cut_short_is_refused(folder):
    texts, path = folder.sequences(3), folder.path / "data.parquet"
    parquet.write_table(pyarrow.table({"x": texts, "z": [1, 2, 3]}), path)
    task = TaskConfig("t", sequence_column="x", label_column="y", split=SplitConfig(by="sequence"))
    with pytest.raises(InputError, match="has no column y; its columns: x, z"):
        read_examples(task, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="Parquet file that cannot be read"):
        read_examples(task, path)
