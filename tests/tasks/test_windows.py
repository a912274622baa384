"""Windows of an annotated genome: coding against intergenic, and labels base by base."""

import numpy as np
import pytest

from genomelm.errors import InputError, UsageError
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.read import read_examples

CODING = TaskConfig("coding", kind="sequence_classification", source="gff_coding")
SHARES = {"train": (0, 17000), "validation": (17000, 18000), "test": (18000, 20000)}


def tokens(**fields):
    return TaskConfig("genes", kind="token_classification", source="gff_tokens", **fields)


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
        assert SHARES[split][0] <= start
        assert end <= SHARES[split][1]
    train = examples.where("train").labels
    assert train.mean() == 0.5


@pytest.mark.parametrize("window", [64, 300, 530])
def test_a_base_is_labelled_by_the_cds_it_lies_in(annotated, window):
    fasta, gff = annotated
    examples = read_examples(tokens(window=window), gff, fasta)
    genome = fasta.read_text().split("\n")[1]
    coding = np.zeros(20000)
    for start in range(0, 20000, 1000):
        coding[start : start + 500] = 1
    assert examples.labels.shape == (len(examples), window)
    seen = np.zeros(20000)
    for place, text, labels, split in zip(
        examples.places, examples.sequences, examples.labels, examples.splits, strict=True
    ):
        assert text == genome[place.start : place.end]
        assert np.array_equal(labels, coding[place.start : place.end])
        assert SHARES[split][0] <= place.start
        assert place.end <= SHARES[split][1]
        seen[place.start : place.end] += 1
    assert seen.max() == 1
    assert seen.sum() >= 20000 - 3 * window


def test_overlapping_and_touching_cds_are_one(annotated):
    fasta, gff = annotated
    expected = read_examples(tokens(window=500), gff, fasta).labels.copy()
    with gff.open("a") as stream:
        stream.write("c\tx\tCDS\t101\t200\t.\t-\t0\tID=a\nc\tx\tCDS\t501\t600\t.\t-\t0\tID=b\n")
    expected[1, :100] = 1
    assert np.array_equal(read_examples(tokens(window=500), gff, fasta).labels, expected)


def test_a_split_with_more_windows_than_asked_is_thinned_the_same_way_each_time(annotated):
    fasta, gff = annotated
    every, some = (read_examples(tokens(window=100, windows=n), gff, fasta) for n in (1000, 12))
    assert [len(every.where(split)) for split in SHARES] == [170, 10, 20]
    assert [len(some.where(split)) for split in SHARES] == [12, 10, 12]
    assert set(some.names) < set(every.names)
    assert list(some.where("train").places) == sorted(some.where("train").places)
    assert read_examples(tokens(window=100, windows=12), gff, fasta).names == some.names


def test_coding_windows_are_the_same_each_time(annotated):
    fasta, gff = annotated
    assert read_examples(CODING, gff, fasta).names == read_examples(CODING, gff, fasta).names


@pytest.mark.parametrize("task", [CODING, tokens()], ids=["coding", "tokens"])
def test_a_gff_of_another_assembly_or_without_cds_is_refused(annotated, tmp_path, task):
    fasta, gff = annotated
    other = tmp_path / "other.gff"
    other.write_text(gff.read_text().replace("c\tx", "chr9\tx"))
    with pytest.raises(InputError, match="another assembly"):
        read_examples(task, other, fasta)
    other.write_text(gff.read_text().replace("\tCDS\t", "\texon\t"))
    with pytest.raises(InputError, match="no CDS feature"):
        read_examples(task, other, fasta)
    with pytest.raises(UsageError, match="--genome"):
        read_examples(task, gff)


def test_a_window_longer_than_the_splits_is_refused(annotated):
    fasta, gff = annotated
    with pytest.raises(InputError, match="no window of 19000 bases fits"):
        read_examples(tokens(window=19000), gff, fasta)


def test_whole_contig_lines_aliases_and_features_past_the_origin_are_understood(annotated, tmp_path):
    fasta, gff = annotated
    expected = read_examples(CODING, gff, fasta).names
    ensembl = tmp_path / "ensembl.gff"
    ensembl.write_text(gff.read_text().replace("\tregion\t", "\tchromosome\t"))
    assert read_examples(CODING, ensembl, fasta).names == expected
    alias = tmp_path / "alias.gff"
    alias.write_text(gff.read_text().replace("c\tx", "chrc\tx"))
    assert read_examples(CODING, alias, fasta).names == expected
    over = tmp_path / "over.gff"
    over.write_text(gff.read_text() + "c\tx\tgene\t19990\t20400\t.\t+\t.\tID=g\n")
    assert len(read_examples(CODING, over, fasta)) > 0
