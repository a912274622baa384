"""Splits that a task file describes: by group, by a hash of the sequence, by contigs and regions."""

import numpy as np
import pytest

from genomelm.errors import InputError, UsageError
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples, leakage
from genomelm.tasks.read import read_examples
from genomelm.tasks.regions import HeldOut
from genomelm.tasks.split_config import SplitConfig


def task(split, **fields):
    return TaskConfig("toy", sequence_column="x", label_column="y", split=split, **fields)


def read(folder, texts, split, groups=None, **fields):
    groups = groups or ["g"] * len(texts)
    rows = [f"{text},{i},{group}" for i, (text, group) in enumerate(zip(texts, groups, strict=True))]
    return read_examples(task(split, **fields), folder.table(rows, "x,y,g"))


def test_a_hash_puts_a_sequence_and_its_reverse_complement_into_one_split(folder):
    texts = folder.sequences(400)
    split = SplitConfig(by="sequence", test_share=0.2, validation_share=0.1)
    found = dict(zip(texts, read(folder, texts, split).splits, strict=True))
    turned = [reverse_complement(text) for text in texts]
    assert list(read(folder, turned, split).splits) == [found[text] for text in texts]
    # the split of a row does not depend on the other rows or their order
    some = texts[300:100:-3]
    assert list(read(folder, some, split).splits) == [found[text] for text in some]
    shares = [list(found.values()).count(name) / 400 for name in ("test", "validation")]
    assert shares == pytest.approx([0.2, 0.1], abs=0.06)
    other = read(folder, texts, SplitConfig(by="sequence", seed=2, test_share=0.2)).splits
    assert (np.array([found[text] for text in texts]) != other).any()
    both = read(folder, [*texts, *turned], split)
    assert leakage(both) == {"identical": 0, "reverse_complement": 0, "pretrained_on": 0}


def test_the_rows_of_a_group_stay_in_one_split(folder):
    texts, groups = folder.sequences(300), [f"gene{i % 60}" for i in range(300)]
    examples = read(folder, texts, SplitConfig(by="group", column="g", test_share=0.2, validation_share=0.2), groups)
    for group in set(groups):
        assert len({s for s, g in zip(examples.splits, groups, strict=True) if g == group}) == 1
    assert set(examples.splits) == {"train", "validation", "test"}
    named = SplitConfig(by="group", column="g", test=("gene3", "gene5"), validation=("gene7",))
    splits = read(folder, texts, named, groups).splits
    expected = {"gene3": "test", "gene5": "test", "gene7": "validation"}
    assert list(splits) == [expected.get(group, "train") for group in groups]


def test_groups_that_are_not_there_and_rows_without_one_are_told(folder):
    texts, groups = folder.sequences(9), ["a", "b", "", "a", "c", "", "b", "c", "a"]
    with pytest.raises(InputError) as caught:
        read(folder, texts, SplitConfig(by="group", column="g", test=("d",), validation=("b",)), groups)
    assert "2 rows have no group in column g, first at row 4, row 7" in str(caught.value)
    assert "no row is of the group d" in str(caught.value)


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"test": ("b",)}, "names one of test and validation"),
        ({"test": ("b",), "validation": ("b",)}, "b in test and in validation"),
        ({"by": "sequence", "test": ("b",), "validation": ("c",)}, "draws test and validation by a hash"),
        ({"by": "group"}, "needs the column of the groups"),
        ({"by": "sequence", "column": "g"}, "no other split has one"),
        ({"by": "sequence", "test_share": 0.5, "validation_share": 0.5}, "leaves nothing for training"),
        ({"test": ("b",), "validation": ("c",)}, "source table has no places on a genome"),
        ({"by": "place"}, "split by place needs test and validation"),
    ],
)
def test_splits_that_contradict_themselves_are_told(split, said):
    with pytest.raises(UsageError, match=said):
        task(SplitConfig(**split))


def test_windows_of_a_genome_are_not_split_by_group_or_sequence():
    for by in ("group", "sequence"):
        split = SplitConfig(by=by, column="g" if by == "group" else None)
        with pytest.raises(UsageError, match=f"split by place, not by {by}"):
            TaskConfig("t", source="bigwig", split=split)


def test_a_task_that_splits_itself_reads_no_split_file(folder):
    texts = folder.sequences(9)
    data = folder.table([f"{text},{i}" for i, text in enumerate(texts)])
    with pytest.raises(UsageError, match="says itself how it is split; leave out --split"):
        read_examples(task(SplitConfig(by="sequence")), data, split=folder.halves(texts))


@pytest.fixture
def genome(tmp_path):
    (tmp_path / "g.fa").write_text("".join(f">chr{n}\n{'ACGT' * 250}\n" for n in (1, 2, 3)))
    return Genome(tmp_path / "g.fa")


def test_regions_part_a_contig_without_gaps(genome):
    held = HeldOut(SplitConfig(test=("2", "chr1:1-100"), validation=("chr1:301-400", "chr1:401-450")), genome)
    assert [(split, place.start, place.end) for split, place in held.of_contig("chr1") if len(place)] == [
        ("test", 0, 100), ("train", 100, 300), ("validation", 300, 450), ("train", 450, 1000),
    ]  # fmt: skip
    assert [split for split, place in held.of_contig("chr2") if len(place)] == ["test"]
    assert [split for split, place in held.of_contig("chr3") if len(place)] == ["train"]


def test_places_are_split_as_a_count_base_by_base_says(genome):
    generator = np.random.default_rng(0)
    starts, sizes = generator.integers(0, 900, 300), generator.integers(1, 100, 300)
    contigs = generator.choice(["chr1", "chr2"], 300)
    places = [Interval(str(c), int(s), int(s + n)) for c, s, n in zip(contigs, starts, sizes, strict=True)]
    # beside the borders, so that one base more or less is another split
    edges = [
        (at + before, at + before + 20) for at in (100, 200, 300, 500, 650) for before in (-21, -20, -19, -1, 0, 1)
    ]
    places = (*places[: 300 - len(edges)], *(Interval("chr1", start, end) for start, end in edges))
    names = tuple(map(str, range(300)))
    given = Examples(names, ("A",) * 300, np.zeros(300), np.array(["train"] * 300), places)
    split = SplitConfig(test=("chr1:101-200", "chr1:501-650"), validation=("chr1:201-300", "chr2:1-500"))
    found = HeldOut(split, genome).split(given)
    kinds = {"chr1": ["train"] * 1000, "chr2": ["validation"] * 500 + ["train"] * 500}
    kinds["chr1"][100:200] = ["test"] * 100
    kinds["chr1"][200:300] = ["validation"] * 100
    kinds["chr1"][500:650] = ["test"] * 150
    expected = {
        name: next(iter(there)) for name, place in zip(names, places, strict=True)
        if len(there := set(kinds[place.contig][place.start : place.end])) == 1
    }  # fmt: skip
    assert dict(zip(found.names, found.splits.tolist(), strict=True)) == expected
    assert leakage(found)["overlapping"] == 0


def test_overlapping_places_are_counted_on_either_strand_whatever_lies_between(genome):
    generator = np.random.default_rng(1)
    places = tuple(
        Interval(str(generator.choice(["chr1", "chr2"])), int(s), int(s) + 6, str(generator.choice(["+", "-"])))
        for s in generator.integers(0, 900, 60)
    )
    splits = np.array(["train", "test"] * 30)
    given = Examples(tuple(map(str, range(60))), tuple(f"A{i}" for i in range(60)), np.zeros(60), splits, places)
    trained = [place for place, split in zip(places, splits, strict=True) if split == "train"]
    expected = sum(
        any(place.contig == other.contig and place.start < other.end and other.start < place.end for other in trained)
        for place in places[1::2]
    )
    assert 0 < expected < 30
    assert leakage(given)["overlapping"] == expected


@pytest.mark.parametrize(
    ("test", "validation", "said"),
    [
        ("chr9", "chr2", "split.test: 'chr9' is no contig of"),
        ("chr1:1-100", "chr1:50-60", "test chr1:1-100 and validation chr1:50-60 share bases"),
        ("chr1:1-2000", "chr2", "split.test: chr1:1-2000 does not lie in"),
        ("chr1", "chr8:1-100", "split.validation: chr8:1-100 does not lie in"),
    ],
)
def test_regions_that_are_not_there_are_told(genome, test, validation, said):
    with pytest.raises(InputError, match=said):
        HeldOut(SplitConfig(test=(test,), validation=(validation,)), genome)
