"""Classes of GFF features, against labels that are worked out base by base."""

import numpy as np
import pytest

from genomelm.errors import InputError
from genomelm.seq.alphabet import reverse_complement
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.read import read_examples
from genomelm.tasks.split_config import SplitConfig

LENGTH = 20000
FEATURES = {"CDS": "coding", "tRNA": "rna", "rRNA": "rna"}
KINDS = ["other", "coding", "rna"]  # numbers of the map below


def task(kind="sequence_classification", **fields):
    given = {"features": FEATURES, "background": "other", "window": 60, "stride": 20}
    return TaskConfig("t", kind, source="gff_classes", **{**given, **fields})


@pytest.fixture
def mixed(tmp_path):
    """Return a FASTA, its GFF, and for each base the types of the features there with their strands."""
    generator = np.random.default_rng(3)
    text = "".join(generator.choice(list("ACGT"), LENGTH))
    (tmp_path / "g.fa").write_text(f">c\n{text}\n")
    lines, there = [f"c\tx\tregion\t1\t{LENGTH}\t.\t+\t.\tID=c"], [set() for _ in range(LENGTH)]
    for number, start in enumerate(range(0, LENGTH, 500)):
        kind, strand = ("CDS", "tRNA", "rRNA", "repeat")[number % 4], "+-"[number // 4 % 2]
        size = int(generator.integers(120, 420))
        lines.append(f"c\tx\t{kind}\t{start + 1}\t{start + size}\t.\t{strand}\t.\tID=f{number}")
        for base in range(start, start + size):
            there[base].add((kind, strand))
    for start in (100, 5050, 9100):  # a tRNA inside or across other features
        lines.append(f"c\tx\ttRNA\t{start + 1}\t{start + 80}\t.\t+\t.\tID=o{start}")
        for base in range(start, start + 80):
            there[base].add(("tRNA", "+"))
    (tmp_path / "g.gff").write_text("\n".join(lines) + "\n")
    return tmp_path / "g.fa", tmp_path / "g.gff", text, there


@pytest.mark.parametrize("two_strands", [False, True])
def test_a_window_lies_in_features_of_its_class_and_touches_no_other(mixed, two_strands):
    fasta, gff, text, there = mixed
    examples = read_examples(task(two_strands=two_strands), gff, fasta)
    assert set(examples.labels.tolist()) == {0.0, 1.0, 2.0}
    for place, sequence, label in zip(examples.places, examples.sequences, examples.labels, strict=True):
        name = ("coding", "rna", "other")[int(label)]
        bases = there[place.start : place.end]
        found = [{FEATURES.get(kind, "unnamed") for kind, _ in base} for base in bases]
        if name == "other":
            assert all(not base for base in found)
        else:
            assert all(name in base and not base & ({"coding", "rna"} - {name}) for base in found)
        if name != "other" and not two_strands:
            assert all(any(FEATURES.get(k) == name and s == place.strand for k, s in base) for base in bases)
        forward = text[place.start : place.end]
        assert sequence == (reverse_complement(forward) if place.strand == "-" else forward)
    strands = {place.strand for place in examples.places}
    assert strands == ({"+"} if two_strands else {"+", "-"})


def test_each_base_has_the_class_that_is_named_first_of_those_there(mixed):
    fasta, gff, _, there = mixed
    for order in (FEATURES, {"tRNA": "rna", "rRNA": "rna", "CDS": "coding"}):
        given = task("token_classification", features=order, window=256, stride=25)
        examples = read_examples(given, gff, fasta)
        names = given.class_names
        assert examples.labels.shape == (len(examples), 256)
        for place, labels in zip(examples.places, examples.labels, strict=True):
            for base, label in zip(there[place.start : place.end], labels, strict=True):
                classes = {order[kind] for kind, _ in base if kind in order} or {"other"}
                assert names[int(label)] == next(name for name in names if name in classes)


def test_windows_are_split_by_shares_of_the_contig_or_as_the_task_says(mixed):
    fasta, gff, *_ = mixed
    for place, split in zip(
        *[getattr(read_examples(task(), gff, fasta), f) for f in ("places", "splits")], strict=True
    ):
        assert {"train": (0, 17000), "validation": (17000, 18000), "test": (18000, 20000)}[split][0] <= place.start
    named = SplitConfig(test=("c:1-4000",), validation=("c:4001-8000",))
    examples = read_examples(task(split=named), gff, fasta)
    for place, split in zip(examples.places, examples.splits, strict=True):
        low, high = {"test": (0, 4000), "validation": (4000, 8000), "train": (8000, 20000)}[split]
        assert low <= place.start < place.end <= high


def test_many_windows_are_thinned_class_by_class_the_same_way_each_time(mixed):
    fasta, gff, *_ = mixed
    every, some = (read_examples(task(windows=n), gff, fasta) for n in (20000, 30))
    for split in ("train", "validation", "test"):
        before, after = (np.bincount(e.where(split).labels.astype(int), minlength=3) for e in (every, some))
        assert after.tolist() == np.minimum(before, 10).tolist()
    assert read_examples(task(windows=30), gff, fasta).names == some.names


def test_a_class_without_a_feature_is_told_with_the_types_that_there_are(mixed):
    fasta, gff, *_ = mixed
    given = task(features={**FEATURES, "exon": "exon"})
    with pytest.raises(InputError, match=r"no feature of type exon \(class exon\); its types: region, CDS, tRNA"):
        read_examples(given, gff, fasta)
    with pytest.raises(InputError, match="no window of 900 bases fits into the features"):
        read_examples(task(window=900), gff, fasta)
    other = gff.with_name("other.gff")
    other.write_text(gff.read_text().replace("c\tx", "chr9\tx"))
    with pytest.raises(InputError, match="another assembly"):
        read_examples(task(), other, fasta)
