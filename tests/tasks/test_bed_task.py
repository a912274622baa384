"""BED intervals as examples: their bases, columns of labels, and lines that are none."""

import numpy as np
import pytest

from genomelm.errors import InputError, UsageError
from genomelm.seq.alphabet import reverse_complement
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.read import read_examples
from genomelm.tasks.split_config import SplitConfig

PLACE = SplitConfig(test=("b",), validation=("c:1-500",))


def task(**fields):
    given = {"kind": "sequence_classification", "label_column": "name", "classes": ("no", "yes"), "split": PLACE}
    return TaskConfig("t", source="bed", **{**given, **fields})


@pytest.fixture
def genome(tmp_path):
    """Return a FASTA of contigs a, b, c with 1,000 bases each, and their sequences."""
    generator = np.random.default_rng(3)
    texts = {name: "".join(generator.choice(list("ACGT"), 1000)) for name in "abc"}
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{text}\n" for name, text in texts.items()))
    return tmp_path / "g.fa", texts


def bed(tmp_path, *lines):
    (tmp_path / "x.bed").write_text("".join("\t".join(map(str, line)) + "\n" for line in lines))
    return tmp_path / "x.bed"


def some_lines():
    return [(contig, at, at + 40, "yes" if at % 200 else "no", at / 10, "+-"[at // 100 % 2])
            for contig in "abc" for at in range(0, 900, 100)]  # fmt: skip


def test_an_interval_is_read_along_its_strand_and_split_by_its_place(tmp_path, genome):
    fasta, texts = genome
    examples = read_examples(task(), bed(tmp_path, *some_lines()), fasta)
    for place, text, label, split in zip(
        examples.places, examples.sequences, examples.labels, examples.splits, strict=True
    ):
        there = texts[place.contig][place.start : place.end]
        assert text == (there if place.strand == "+" else reverse_complement(there))
        assert label == float(place.start % 200 != 0)
        assert split == (
            "test"
            if place.contig == "b"
            else "validation"
            if str(place) < "c:5" and place.contig == "c" and place.end <= 500
            else "train"
        )
    assert examples.names[1] == "a:101-140:-"


def test_an_interval_over_the_border_of_a_region_is_left_out_with_a_count(tmp_path, genome, caplog):
    lines = [*some_lines(), ("c", 490, 510, "yes")]
    examples = read_examples(task(), bed(tmp_path, *lines), genome[0])
    assert len(examples) == len(lines) - 1
    assert "1 examples reach over a border of the split and are left out" in caplog.text


def test_labels_may_stand_in_any_column_by_name_or_number(tmp_path, genome):
    values = [line[4] for line in some_lines()]
    for column in ("score", "5"):
        found = read_examples(
            task(kind="regression", classes=(), label_column=column), bed(tmp_path, *some_lines()), genome[0]
        )
        assert found.labels.tolist() == values
    header = ("#chrom", "start", "end", "name", "score", "strand", "k562", "hepg2")
    lines = [(*line, i, i * i) for i, line in enumerate(some_lines())]
    both = task(kind="regression", classes=(), label_column=None, label_columns=("k562", "hepg2"))
    found = read_examples(both, bed(tmp_path, header, *lines), genome[0])
    assert found.labels.tolist() == [[i, i * i] for i in range(27)]
    with pytest.raises(UsageError, match="the BED file has no column 'liver'; it has chrom, start"):
        read_examples(task(label_column="liver"), bed(tmp_path, *lines), genome[0])


def test_a_window_lies_around_the_middle_of_the_interval(tmp_path, genome):
    lines = [(c, at + 100, e + 100, *more) for c, at, e, *more in some_lines() if at < 800]
    examples = read_examples(task(window=51), bed(tmp_path, *lines), genome[0])
    assert {len(text) for text in examples.sequences} == {51}
    assert (examples.places[0].start, examples.places[0].end) == (95, 146)


def test_lines_that_are_no_examples_are_told_at_once_with_their_numbers(tmp_path, genome):
    lines = [
        *some_lines(),
        ("a", 990, 1010, "yes"),
        ("z", 1, 5, "yes"),
        ("a", 5, 5, "no"),
        ("a", "x", 9, "no"),
        ("a", 5, 9),
    ]
    with pytest.raises(InputError) as caught:
        read_examples(task(), bed(tmp_path, *lines), genome[0])
    message = str(caught.value)
    for part in (
        "1 intervals pass the end of their contig, first at line 28 (a:990-1010 of 1,000 bases)",
        "1 intervals lie on a contig that",
        "line 29 (z)",
        "2 lines are no interval (contig, start and end, 0-based, start < end), first at line 30, line 31",
        "1 lines have no column name, first at line 32",
    ):
        assert part in message
    with pytest.raises(InputError, match="1 windows pass their contig's end, first at line 1"):
        read_examples(task(window=100), bed(tmp_path, ("a", 0, 10, "yes"), *some_lines()[1:9]), genome[0])


def test_unknown_classes_and_an_empty_file_are_told(tmp_path, genome):
    lines = some_lines()
    lines[3] = (*lines[3][:3], "maybe", 0, "+")
    with pytest.raises(InputError, match=r"1 labels are none of the task's classes \(no, yes\), first at line 4"):
        read_examples(task(), bed(tmp_path, *lines), genome[0])
    with pytest.raises(InputError, match="has no interval"):
        read_examples(task(), bed(tmp_path, ("#chrom", "start", "end", "name")), genome[0])


def test_contigs_are_known_by_their_other_names(tmp_path, genome):
    lines = [(f"chr{line[0]}", *line[1:]) for line in some_lines()]
    expected = read_examples(task(), bed(tmp_path, *some_lines()), genome[0])
    assert read_examples(task(), bed(tmp_path, *lines), genome[0]).names == expected.names
