"""Tables: labels, spelling, splits, and effects against the wild type."""

import gzip

import numpy as np
import pytest

from genomelm.errors import InputError, UsageError
from genomelm.seq.alphabet import reverse_complement
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples, leakage
from genomelm.tasks.read import read_examples

BINS = TaskConfig("toy", sequence_column="x", bin_columns=("ct_0", "ct_1", "ct_2"))
LABEL = TaskConfig("toy", sequence_column="x", label_column="y")


@pytest.fixture
def toy(folder):
    texts = folder.sequences(9)
    data = folder.table([f"{text},0,1,{i}" for i, text in enumerate(texts)], "x,ct_0,ct_1,ct_2")
    return data, folder.halves(texts), texts


def test_the_label_is_the_mean_bin_and_unlisted_sequences_train(toy):
    data, split, texts = toy
    examples = read_examples(BINS, data, split=split)
    assert examples.sequences == tuple(texts)
    for i, label in enumerate(examples.labels):
        counts = np.array([0, 1, i])
        assert label == pytest.approx((counts * [0, 1, 2]).sum() / counts.sum())
    assert list(examples.splits) == ["test", "validation", "train", "train", "test", "validation"] + ["train"] * 3


def test_lower_case_sequences_fall_into_the_same_split(toy, folder):
    _, split, texts = toy
    data = folder.table([f"{text.lower()},0,1,{i}" for i, text in enumerate(texts)], "x,ct_0,ct_1,ct_2")
    examples = read_examples(BINS, data, split=split)
    assert examples.splits[0] == "test"
    assert examples.sequences[0] == texts[0]


def test_rows_are_named_by_their_line_and_blank_lines_are_none(folder):
    texts = folder.sequences(6)
    data = folder.table([f"{text},{i}" if text else "" for i, text in enumerate([*texts[:2], "", *texts[2:], ""])])
    examples = read_examples(LABEL, data, split=folder.halves(texts))
    assert examples.names == ("row 2", "row 3", "row 5", "row 6", "row 7", "row 8")


def test_a_table_may_be_plain_tab_separated_with_a_byte_order_mark(folder):
    texts = folder.sequences(6)
    path = folder.path / "data.tsv"
    path.write_bytes("\r\n".join(["\ufeffx\ty", *(f"{text}\t{i}" for i, text in enumerate(texts))]).encode())
    examples = read_examples(LABEL, path, split=folder.halves(texts))
    assert examples.sequences == tuple(texts)
    assert examples.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_sequence_may_be_longer_than_csv_allows(folder):
    texts = [*folder.sequences(5), *folder.sequences(1, 200_000)]
    data = folder.table([f"{text},{i}" for i, text in enumerate(texts)])
    assert read_examples(LABEL, data, split=folder.halves(texts)).sequences[5] == texts[5]


def test_a_t_in_rna_is_read_as_u(folder):
    texts = folder.sequences(6, letters="ACGU")
    split = folder.halves(texts)
    data = folder.table([f"{text.replace('U', 'T').lower()},{i}" for i, text in enumerate(texts)])
    examples = read_examples(TaskConfig("t", alphabet="rna", sequence_column="x", label_column="y"), data, split=split)
    assert examples.sequences == tuple(texts)
    assert examples.splits[0] == "test"
    assert examples.where("test").alphabet == "rna"


def test_a_table_without_its_split_file_is_refused(toy):
    with pytest.raises(UsageError, match="--split"):
        read_examples(BINS, toy[0])
    with pytest.raises(UsageError, match="--split .*nowhere.tsv does not exist"):
        read_examples(BINS, toy[0], split="nowhere.tsv")


def test_an_effect_is_the_label_minus_the_wild_type_s(folder):
    texts = folder.sequences(8)
    wild = texts[7]
    labels = [1.5, 2.5, -1.0, 0.0, 4.0, 7.0, 0.5, 10.0]
    rows = [f"{text},{label}" for text, label in zip(texts, labels, strict=True)] + [f"{wild.lower()},20"]
    task = TaskConfig("t", kind="variant_effect", sequence_column="x", label_column="y", reference=wild)
    examples = read_examples(task, folder.table(rows), split=folder.halves(texts))
    assert examples.sequences == tuple(texts[:7])
    assert examples.labels == pytest.approx(np.array(labels[:7]) - 15)
    assert examples.references == (wild,) * 7
    assert examples.where("test").references == (wild,) * 2


def test_effects_without_the_wild_type_in_the_table_are_refused(folder):
    texts = folder.sequences(6)
    task = TaskConfig("t", kind="variant_effect", sequence_column="x", label_column="y", reference="A" * 12)
    data = folder.table([f"{text},{i}" for i, text in enumerate(texts)])
    with pytest.raises(InputError, match="does not hold the task's reference AAAAAAAAAAAA"):
        read_examples(task, data, split=folder.halves(texts))


def test_leakage_counts_identical_and_reverse_complement_sequences(folder):
    texts = folder.sequences(6)
    rows = [f"{text},{i}" for i, text in enumerate([*texts, texts[4], reverse_complement(texts[5])])]
    chosen = {texts[0]: "test", texts[1]: "validation", texts[2]: "validation", reverse_complement(texts[5]): "test"}
    examples = read_examples(LABEL, folder.table(rows), split=folder.split(chosen))
    assert leakage(examples) == {"identical": 0, "reverse_complement": 1, "pretrained_on": 0}


def test_only_dna_has_a_reverse_complement_and_a_pair_is_met_as_a_pair():
    def counted(alphabet, references=()):
        texts = ("AACCGU", "ACGG", "ACGGUU", "AACCGU")
        splits = np.array(["train", "train", "test", "test"])
        return leakage(Examples(("a", "b", "c", "d"), texts, np.zeros(4), splits, (), references, alphabet))

    assert counted("dna") == {"identical": 1, "reverse_complement": 0, "pretrained_on": 0}
    assert counted("rna") == {"identical": 1, "reverse_complement": 0, "pretrained_on": 0}
    dna = Examples(("a", "b"), ("AACG", "CGTT"), np.zeros(2), np.array(["train", "test"]))
    assert leakage(dna)["reverse_complement"] == 1
    protein = Examples(*[getattr(dna, f) for f in ("names", "sequences", "labels", "splits")], alphabet="protein")
    assert leakage(protein)["reverse_complement"] == 0
    assert counted("dna", ("A", "A", "A", "A"))["identical"] == 1
    assert counted("dna", ("A", "A", "A", "C"))["identical"] == 0


def test_a_cut_gzip_file_is_refused(toy):
    data, split, _ = toy
    data.write_bytes(data.read_bytes()[:-12])
    with pytest.raises(InputError, match="truncated or corrupt"):
        read_examples(BINS, data, split=split)
    with gzip.open(data, "wb") as stream:
        stream.write(b"x,ct_0,ct_1,ct_2\n\xff\xfe,1,1,1\n")
    with pytest.raises(InputError, match="not UTF-8"):
        read_examples(BINS, data, split=split)
