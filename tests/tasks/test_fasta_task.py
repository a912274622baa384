"""FASTA records with labels in their headers."""

import gzip

import pytest

from genomelm.errors import InputError
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.read import read_examples
from genomelm.tasks.split_config import SplitConfig

HASH = SplitConfig(by="sequence", test_share=0.3, validation_share=0.3)


def task(**fields):
    return TaskConfig("t", source="fasta", **{"split": HASH, **fields})


def write(folder, headers, texts=None):
    texts = texts or folder.sequences(len(headers), 30)
    path = folder.path / "x.fa.gz"
    with gzip.open(path, "wt") as stream:
        for header, text in zip(headers, texts, strict=True):
            stream.write(f">{header}\n{text[:20].lower()}\n{text[20:]}\n")
    return path, texts


def test_a_label_is_a_key_of_the_header(folder):
    path, texts = write(folder, [f"s{i} length=30 label={i / 2}" for i in range(20)])
    examples = read_examples(task(), path)
    assert examples.sequences == tuple(texts)
    assert examples.labels.tolist() == [i / 2 for i in range(20)]
    assert examples.names[:2] == ("s0", "s1")
    path, _ = write(folder, [f"s{i};activity={i};label=0" for i in range(20)])
    assert read_examples(task(label_column="activity"), path).labels.tolist() == list(range(20))


def test_a_label_is_a_field_between_bars(folder):
    path, _ = write(folder, [f"s{i}|{('promoter', 'other')[i % 2]}|{i}" for i in range(20)])
    classes = task(kind="sequence_classification", label_column="2", classes=("other", "promoter"))
    assert read_examples(classes, path).labels.tolist() == [1, 0] * 10
    assert read_examples(task(label_column="3"), path).labels.tolist() == list(range(20))
    path, _ = write(folder, [f"s{i} {('promoter', 'other')[i % 2]}  more text" for i in range(20)])
    assert read_examples(classes, path).labels.tolist() == [1, 0] * 10


def test_several_keys_are_several_labels_and_groups_stay_together(folder):
    path, _ = write(folder, [f"s{i} a={i} b={-i} fam=f{i // 4}" for i in range(40)])
    split = SplitConfig(by="group", column="fam", test=("f1", "f2"), validation=("f5", "f6"))
    examples = read_examples(task(label_columns=("a", "b"), split=split), path)
    assert examples.labels.tolist() == [[i, -i] for i in range(40)]
    assert [i for i in range(40) if examples.splits[i] == "test"] == list(range(4, 12))
    assert [i for i in range(40) if examples.splits[i] == "validation"] == list(range(20, 28))


def test_headers_without_the_label_are_told_with_their_lines(folder):
    headers = [f"s{i} label={i}" for i in range(8)]
    headers[1], headers[4] = "s1", "s4 labels=3"
    with pytest.raises(InputError, match=r"2 headers have no label=\.\.\., first at line 4 \(s1\), line 13 \(s4\)"):
        read_examples(task(), write(folder, headers)[0])
    with pytest.raises(
        InputError, match=r"8 headers have no field 3 \(between '\|', or blanks\), first at line 1 \(s0"
    ):
        read_examples(task(label_column="3"), write(folder, headers)[0])


def test_text_labels_and_wrong_letters_are_told_together(folder):
    headers, texts = [f"s{i} label={i}" for i in range(8)], folder.sequences(8, 30)
    headers[2], texts[5] = "s2 label=high", "EFILPQ" * 5
    with pytest.raises(InputError) as caught:
        read_examples(task(), write(folder, headers, texts)[0])
    assert "labels in column label are text, not numbers, first at line 7 (s2) ('high')" in str(caught.value)
    assert "over 10% of letters that are not ACGTN" in str(caught.value)
    assert "line 16 (s5) (100%)" in str(caught.value)


def test_a_file_that_is_no_fasta_is_refused(folder):
    (folder.path / "x.fa").write_text("sequence\tlabel\nACGT\t1\n")
    with pytest.raises(InputError, match="no line begins with '>'"):
        read_examples(task(), folder.path / "x.fa")
