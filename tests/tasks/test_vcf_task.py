"""Alleles of a VCF with labels: windows, where labels come from, and alleles that have none."""

import numpy as np
import pytest

from genomelm.errors import InputError, UsageError
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.read import read_examples
from genomelm.tasks.split_config import SplitConfig

HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def task(**fields):
    given = {"label_column": "EFF", "window": 40, "split": SplitConfig(test=("b",), validation=("c",))}
    return TaskConfig("t", "variant_effect", source="vcf", **{**given, **fields})


@pytest.fixture
def site(tmp_path):
    """Return a FASTA of contigs a, b, c with 600 bases, their sequences, and substitutions (contig, pos, ref, alt)."""
    generator = np.random.default_rng(3)
    texts = {name: "".join(generator.choice(list("ACGT"), 600)) for name in "abc"}
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{text}\n" for name, text in texts.items()))
    found = []
    for name, text in texts.items():
        for pos in range(50, 550, 50):
            ref = text[pos - 1]
            found.append((name, pos, ref, "ACGT"["ACGT".index(ref) - 1]))
    return tmp_path / "g.fa", texts, found


def write(tmp_path, records):
    lines = [f"{c}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t{info}\n" for c, pos, ref, alt, info in records]
    (tmp_path / "v.vcf").write_text(HEADER + "".join(lines))
    return tmp_path / "v.vcf"


def test_an_allele_is_a_pair_of_windows_with_the_label_of_its_info_key(tmp_path, site):
    fasta, texts, found = site
    vcf = write(tmp_path, [(*v, f"AC=1;EFF={i / 4}") for i, v in enumerate(found)])
    examples = read_examples(task(), vcf, fasta)
    assert examples.labels.tolist() == [i / 4 for i in range(len(found))]
    for (contig, pos, ref, alt), name, old, new, place, split in zip(
        found, examples.names, examples.references, examples.sequences, examples.places, examples.splits, strict=True
    ):
        assert name == f"{contig}:{pos}:{ref}>{alt}"
        assert old == texts[contig][place.start : place.end]
        assert len(old) == 40
        offset = pos - 1 - place.start
        assert new == old[:offset] + alt + old[offset + 1 :]
        assert split == {"a": "train", "b": "test", "c": "validation"}[contig]


def test_each_allele_of_a_record_has_its_own_label_or_all_have_one(tmp_path, site, caplog):
    fasta, texts, found = site
    records = [(*v, f"EFF={i}") for i, v in enumerate(found)]
    ref = texts["a"][9]
    others = [letter for letter in "ACGT" if letter != ref]
    records += [("a", 10, ref, ",".join(others), "EFF=1,.,3"), ("a", 10, ref, ",".join(others[:2]), "EFF=7")]
    examples = read_examples(task(), write(tmp_path, records), fasta)
    assert examples.labels.tolist()[-4:] == [1, 3, 7, 7]
    assert "1 of 35 alleles have no label (EFF) and are left out" in caplog.text


def test_labels_may_come_from_a_table(tmp_path, site, caplog):
    fasta, _, found = site
    vcf = write(tmp_path, [(*v, "AC=1") for v in found])
    rows = [
        f"{c}\t{pos}\t{ref.lower()}\t{alt}\t{i}\tg{i % 5}\n" for i, (c, pos, ref, alt) in enumerate(found) if i != 4
    ]
    table = tmp_path / "labels.tsv"
    table.write_text("contig\tpos\tref\talt\tscore\tgene\n" + "".join(rows))
    given = task(label_column="score")
    examples = read_examples(given, vcf, fasta, labels=table)
    assert examples.labels.tolist() == [i for i in range(len(found)) if i != 4]
    assert "1 of 30 alleles have no label" in caplog.text
    groups = SplitConfig(by="group", column="gene", test=("g0",), validation=("g1",))
    examples = read_examples(task(label_column="score", split=groups), vcf, fasta, labels=table)
    assert all(
        (split == "test") == (label % 5 == 0) for label, split in zip(examples.labels, examples.splits, strict=True)
    )
    table.write_text(table.read_text() + "a\t51\tA\tC\t3\tg0\n" + rows[0])
    with pytest.raises(InputError, match=r"rows name an allele a second time, first at row 32 \(a:50"):
        read_examples(given, vcf, fasta, labels=table)
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match="1 labels of .* are of alleles that the VCF does not have, first at a:51:A:C"):
        read_examples(given, vcf, fasta, labels=table)


def test_alleles_without_windows_are_told_with_their_lines_and_reasons(tmp_path, site):
    fasta, texts, found = site
    wrong = "ACGT"["ACGT".index(texts["a"][19]) - 1]
    records = [(*v, "EFF=1") for v in found]
    records += [("a", 20, wrong, texts["a"][18:20], "EFF=2"), ("z", 5, "A", "C", "EFF=1")]
    records += [("a", 30, texts["a"][29], "<DEL>", "EFF=1"), ("a", 9999, "A", "C", "EFF=1")]
    with pytest.raises(InputError) as caught:
        read_examples(task(), write(tmp_path, records), fasta)
    message = str(caught.value)
    assert "4 faults" in message
    for status, line in (("REF_MISMATCH", 33), ("CONTIG_MISSING", 34), ("SYMBOLIC", 35), ("POS_OUT_OF_RANGE", 36)):
        assert f"1 alleles have no windows, {status}" in message
        assert f"first at line {line} (" in message
    assert "REF_MISMATCH: is the genome of another assembly?" in message


def test_a_vcf_without_labels_and_files_that_are_not_read_are_refused(tmp_path, site):
    fasta, _, found = site
    vcf = write(tmp_path, [(*v, "AC=1") for v in found])
    with pytest.raises(InputError, match=r"none of its 30 alleles has a label \(EFF\)"):
        read_examples(task(), vcf, fasta)
    text = write(tmp_path, [(*v, "EFF=high") for v in found])
    with pytest.raises(InputError, match=r"30 labels in column EFF are text, not numbers, first at line 3 \('high'\)"):
        read_examples(task(), text, fasta)
    with pytest.raises(UsageError, match="--labels .* is of source vcf"):
        read_examples(TaskConfig("t", label_column="y", split=SplitConfig(by="sequence")), vcf, labels=vcf)


def test_windows_of_test_and_training_that_overlap_are_leakage(tmp_path, site):
    from genomelm.tasks.examples import leakage

    fasta, texts, _ = site
    records = []
    for number, pos in enumerate(range(50, 550, 5)):
        ref = texts["a"][pos - 1]
        records.append(("a", pos, ref, "ACGT"["ACGT".index(ref) - 1], f"EFF={number}"))
    examples = read_examples(task(split=SplitConfig(by="sequence")), write(tmp_path, records), fasta)
    test, train = (examples.where(split).places for split in ("test", "train"))
    expected = sum(any(place.overlaps(other) for other in train) for place in test)
    assert leakage(examples)["overlapping"] == expected > 0
