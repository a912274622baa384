"""Task data: labels, splits and their faults."""

import gzip

import numpy as np
import pytest

from genomelm.errors import InputError, UsageError
from genomelm.seq.alphabet import reverse_complement
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import leakage
from genomelm.tasks.read import read_examples
from genomelm.tasks.table import sequence_key

TASK = TaskConfig("toy", sequence_column="x", bin_columns=("ct_0", "ct_1", "ct_2"))


def write_table(folder, rows, columns="x,ct_0,ct_1,ct_2"):
    path = folder / "data.csv.gz"
    with gzip.open(path, "wt") as stream:
        stream.write(columns + "\n" + "\n".join(rows) + "\n")
    return path


def write_split(folder, chosen):
    path = folder / "split.tsv"
    lines = [f"{sequence_key(sequence)}\t{split}" for sequence, split in chosen.items()]
    path.write_text("sequence_sha256\tsplit\n" + "\n".join(lines) + "\n")
    return path


def sequences(count, length=12, seed=0):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list("ACGT"), length)) for _ in range(count)]


@pytest.fixture
def toy(tmp_path):
    texts = sequences(9)
    rows = [f"{text},0,1,{i}" for i, text in enumerate(texts)]
    split = {texts[0]: "test", texts[4]: "test", texts[1]: "validation", texts[5]: "validation"}
    return write_table(tmp_path, rows), write_split(tmp_path, split), texts


def test_the_label_is_the_mean_bin_and_unlisted_sequences_train(toy):
    data, split, texts = toy
    examples = read_examples(TASK, data, split=split)
    assert examples.sequences == tuple(texts)
    for i, label in enumerate(examples.labels):
        counts = np.array([0, 1, i])
        assert label == pytest.approx((counts * [0, 1, 2]).sum() / counts.sum())
    assert list(examples.splits) == ["test", "validation", "train", "train", "test", "validation"] + ["train"] * 3


def test_lower_case_sequences_fall_into_the_same_split(toy, tmp_path):
    _, split, texts = toy
    data = write_table(tmp_path, [f"{text.lower()},0,1,{i}" for i, text in enumerate(texts)])
    examples = read_examples(TASK, data, split=split)
    assert examples.splits[0] == "test"
    assert examples.sequences[0] == texts[0]


@pytest.mark.parametrize(
    ("row", "said"),
    [("ACGT,nan,1,1", "row 11"), ("ACGT,high,1,1", "row 11"), ("ACGT,0,0,0", "no counts")],
)
def test_a_label_that_is_no_number_is_named_by_its_row(toy, tmp_path, row, said):
    _, split, texts = toy
    data = write_table(tmp_path, [f"{text},0,1,{i}" for i, text in enumerate(texts)] + [row])
    with pytest.raises(InputError, match=said) as caught:
        read_examples(TASK, data, split=split)
    assert caught.value.exit_code == 3


def test_a_missing_column_lists_the_columns(toy):
    data, split, _ = toy
    with pytest.raises(UsageError, match="no column y; its columns: x, ct_0"):
        read_examples(TaskConfig("toy", sequence_column="x", label_column="y"), data, split=split)


def test_a_table_without_its_split_file_is_refused(toy):
    with pytest.raises(UsageError, match="--split"):
        read_examples(TASK, toy[0])


def test_one_class_in_a_split_is_refused(tmp_path):
    texts = sequences(6)
    data = write_table(tmp_path, [f"{text},{int(i > 2)}" for i, text in enumerate(texts)], "x,y")
    split = write_split(tmp_path, {texts[0]: "test", texts[1]: "test", texts[2]: "validation", texts[3]: "validation"})
    task = TaskConfig("toy", kind="sequence_classification", sequence_column="x", label_column="y")
    with pytest.raises(InputError, match="one label only"):
        read_examples(task, data, split=split)


def test_classes_other_than_0_and_1_are_named_by_row(tmp_path):
    texts = sequences(6)
    data = write_table(tmp_path, [f"{text},{i % 3}" for i, text in enumerate(texts)], "x,y")
    split = write_split(tmp_path, {texts[0]: "test", texts[1]: "test", texts[3]: "validation", texts[4]: "validation"})
    task = TaskConfig("toy", kind="sequence_classification", sequence_column="x", label_column="y")
    with pytest.raises(InputError, match="labels must be 0 or 1; 2 are not, first at row"):
        read_examples(task, data, split=split)


def test_leakage_counts_identical_and_reverse_complement_sequences(tmp_path):
    texts = sequences(6)
    rows = [f"{text},{i % 2},1,{i}" for i, text in enumerate([*texts, texts[4], reverse_complement(texts[5])])]
    data = write_table(tmp_path, rows)
    chosen = {texts[0]: "test", texts[1]: "validation", texts[2]: "validation", reverse_complement(texts[5]): "test"}
    examples = read_examples(TASK, data, split=write_split(tmp_path, chosen))
    assert leakage(examples) == {"identical": 0, "reverse_complement": 1, "pretrained_on": 0}


@pytest.fixture
def annotated(tmp_path):
    generator = np.random.default_rng(3)
    length = 20000
    fasta = tmp_path / "g.fa"
    fasta.write_text(">c\n" + "".join(generator.choice(list("ACGT"), length)) + "\n")
    lines = ["##gff-version 3", f"c\tx\tregion\t1\t{length}\t.\t+\t.\tID=c"]
    for start in range(0, length, 1000):
        lines.append(f"c\tx\tCDS\t{start + 1}\t{start + 500}\t.\t{'+-'[start // 1000 % 2]}\t0\tID=cds{start}")
        lines.append(f"c\tx\ttRNA\t{start + 601}\t{start + 650}\t.\t+\t.\tID=t{start}")
    gff = tmp_path / "g.gff"
    gff.write_text("\n".join(lines) + "\n")
    return fasta, gff


def test_coding_windows_lie_in_a_cds_and_intergenic_ones_outside_every_feature(annotated):
    fasta, gff = annotated
    task = TaskConfig("coding", kind="sequence_classification", source="gff_coding", two_strands=True, stride=100)
    examples = read_examples(task, gff, fasta)
    genome = fasta.read_text().split("\n")[1]
    for name, text, label, split in zip(
        examples.names, examples.sequences, examples.labels, examples.splits, strict=True
    ):
        first, last = map(int, name.split(":")[1].split("-"))
        start, end = first - 1, last
        assert end - start == 100
        assert text == genome[start:end]
        inside = start % 1000
        if label == 1:
            assert inside + 100 <= 500
        else:
            assert (inside >= 650 and inside + 100 <= 1000) or (inside >= 500 and inside + 100 <= 600)
        share = {"train": (0, 17000), "validation": (17000, 18000), "test": (18000, 20000)}[split]
        assert share[0] <= start
        assert end <= share[1]
    train = examples.where("train").labels
    assert train.mean() == 0.5


def test_coding_windows_are_the_same_each_time(annotated):
    fasta, gff = annotated
    task = TaskConfig("coding", kind="sequence_classification", source="gff_coding")
    assert read_examples(task, gff, fasta).names == read_examples(task, gff, fasta).names


def test_a_gff_of_another_assembly_is_refused(annotated, tmp_path):
    fasta, gff = annotated
    other = tmp_path / "other.gff"
    other.write_text(gff.read_text().replace("c\tx", "chr9\tx"))
    task = TaskConfig("coding", kind="sequence_classification", source="gff_coding")
    with pytest.raises(InputError, match="another assembly"):
        read_examples(task, other, fasta)


def test_whole_contig_lines_aliases_and_features_past_the_origin_are_understood(annotated, tmp_path):
    fasta, gff = annotated
    task = TaskConfig("coding", kind="sequence_classification", source="gff_coding")
    expected = read_examples(task, gff, fasta).names
    ensembl = tmp_path / "ensembl.gff"
    ensembl.write_text(gff.read_text().replace("\tregion\t", "\tchromosome\t"))
    assert read_examples(task, ensembl, fasta).names == expected
    alias = tmp_path / "alias.gff"
    alias.write_text(gff.read_text().replace("c\tx", "chrc\tx"))
    assert read_examples(task, alias, fasta).names == expected
    over = tmp_path / "over.gff"
    over.write_text(gff.read_text() + "c\tx\tgene\t19990\t20400\t.\t+\t.\tID=g\n")
    assert len(read_examples(task, over, fasta)) > 0
