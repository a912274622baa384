"""Damaged, mismatched and awkward input: an error with its exit code and no output, or a status."""

import gzip
import os
import random

import numpy as np
import pysam
import pytest

from genomelm.errors import AssemblyError, GenomelmError, InputError, UsageError
from genomelm.files import output_lock
from genomelm.scoring.annotate import annotate

BASES = "".join(random.Random(4).choices("ACGT", k=3000))
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


def snv(pos: int, contig: str = "c", ref: str | None = None, info: str = ".") -> str:
    base = ref or BASES[pos - 1]
    return f"{contig} {pos} . {base} {OTHER[base]} . . {info}"


@pytest.fixture
def genome(make_genome):
    return make_genome(c=BASES)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "out.vcf.gz"


def expect_refused(kind: type[GenomelmError], message: str, source, genome, scorer, out, **options) -> None:
    """The run stops with this error, and the output folder holds nothing."""
    with pytest.raises(kind, match=message):
        annotate(source, genome, scorer, out, **options)
    assert not out.parent.exists() or list(out.parent.iterdir()) == []


def test_a_file_without_its_end_block_is_truncated(genome, make_vcf, scorer, out):
    source = make_vcf(*[snv(pos, info="K=" + str(pos**9)) for pos in range(1, 2999)])
    whole = source.read_bytes()
    source.write_bytes(whole[:-28])
    expect_refused(InputError, "truncated", source, genome, scorer, out)
    source.write_bytes(whole[: len(whole) // 2])
    expect_refused(InputError, "truncated", source, genome, scorer, out)
    source.write_bytes(whole[:500] + b"\0\1\2" + whole[503:])
    expect_refused(InputError, "damaged", source, genome, scorer, out)


def test_a_plain_gzip_file_is_read_and_a_cut_one_refused(genome, make_vcf, scorer, out):
    plain = make_vcf(*[snv(pos) for pos in range(1, 900)], name="in.vcf")
    source = plain.with_name("in2.vcf.gz")
    source.write_bytes(gzip.compress(plain.read_bytes()))
    result = annotate(source, genome, scorer, out)
    assert result.scored == 899
    assert "plain gzip" in result.warnings[0]
    for path in out.parent.iterdir():
        path.unlink()
    source.write_bytes(source.read_bytes()[:-30])
    expect_refused(InputError, "truncated", source, genome, scorer, out)


@pytest.mark.parametrize("cut", ["c\t7\t.\tA", "c\t7\t.\tA\tC\t.\t."])
def test_a_line_with_too_few_columns_is_truncated(genome, make_vcf, scorer, out, cut):
    source = make_vcf(snv(5), cut, name="in.vcf")
    expect_refused(InputError, r"in\.vcf:4 has \d of 8 columns.*truncated", source, genome, scorer, out)
    source.write_bytes(source.read_bytes()[:-1])
    expect_refused(InputError, "truncated", source, genome, scorer, out)


def test_complete_columns_without_a_newline_are_a_warning(genome, make_vcf, scorer, out, read_vcf):
    source = make_vcf(snv(5), snv(6), name="in.vcf")
    source.write_bytes(source.read_bytes()[:-1])
    result = annotate(source, genome, scorer, out)
    assert "without a newline" in result.warnings[0]
    assert len(read_vcf(out)[1]) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n", "not a VCF"),
        (b"##fileformat=VCFv4.2\n##x=", "truncated"),
        (b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\n", "truncated"),
        (b"##fileformat=VCFv4.2\nc\t1\t.\tA\tC\t.\t.\t.\n", "#CHROM"),
        (b"<html></html>", "HTML"),
        (b">c\nACGT\n", "not a VCF"),
        (b"BCF\2\2", "BCF file that htslib cannot read"),
    ],
)
def test_what_is_no_vcf_is_refused(genome, scorer, out, tmp_path, content, message):
    source = tmp_path / "in.vcf"
    source.write_bytes(content)
    expect_refused(InputError, message, source, genome, scorer, out)


def test_a_missing_file_and_a_text_position_are_refused(genome, make_vcf, scorer, out, tmp_path):
    expect_refused(InputError, "does not exist", tmp_path / "no.vcf", genome, scorer, out)
    expect_refused(InputError, "POS is 'x'", make_vcf("c x . A C . . ."), genome, scorer, out)
    expect_refused(InputError, "header line between", make_vcf(snv(1), "##x", snv(2)), genome, scorer, out)


def test_a_header_alone_gives_a_valid_indexed_output(genome, make_vcf, scorer, out):
    result = annotate(make_vcf(header=["##contig=<ID=c>"]), genome, scorer, out)
    assert (result.records_out, result.index) == (0, f"{out}.tbi")
    with pysam.VariantFile(str(out)) as variants:
        assert list(variants) == []
        assert "GLM_LLR" in variants.header.info


def test_undeclared_contigs_are_declared_with_their_length(genome, make_vcf, scorer, out, read_vcf):
    source = make_vcf(snv(5), "w 1 . A C . . .", header=["##contig=<ID=q,length=5>"])
    result = annotate(source, genome, scorer, out)
    header, _ = read_vcf(out)
    assert [line for line in header if line.startswith(b"##contig")] == [
        b"##contig=<ID=q,length=5>",
        b"##contig=<ID=c,length=3000>",
        b"##contig=<ID=w>",
    ]
    assert result.statuses == {"CONTIG_MISSING": 1, "EDGE_PADDED": 1}


@pytest.mark.parametrize(("length", "status"), [("", "OK"), (",length=3000", "OK")])
def test_an_alias_is_scored_under_the_input_name(make_genome, make_vcf, scorer, out, read_vcf, length, status):
    genome = make_genome(chr7=BASES)
    source = make_vcf(snv(50, contig="7"), header=[f"##contig=<ID=7{length}>"])
    assert annotate(source, genome, scorer, out).statuses == {status: 1}
    assert read_vcf(out)[1][0][0] == b"7"


def test_an_alias_of_another_length_is_another_contig(make_genome, make_vcf, scorer, out):
    genome = make_genome(chr7=BASES, chr8=BASES)
    header = ["##contig=<ID=7,length=2999>", "##contig=<ID=8,length=3000>"]
    result = annotate(make_vcf(snv(50, contig="7"), snv(50, contig="8"), header=header), genome, scorer, out)
    assert result.statuses == {"CONTIG_MISSING": 1, "OK": 1}


def test_contig_lengths_of_another_assembly_stop_the_run_before_scoring(make_genome, make_vcf, scorer, out):
    source = make_vcf(snv(50, contig="chr1"), header=["##contig=<ID=chr1,length=249250621>"])
    for name in ("chr1", "1"):
        expect_refused(AssemblyError, "GRCh37", source, make_genome(**{name: BASES}), scorer, out)
    assert scorer.calls == []


def test_one_mismatch_is_a_status_and_many_are_another_assembly(genome, make_vcf, scorer, out, read_vcf):
    wrong = [
        snv(pos, ref=next(b for b in "ACGT" if b != BASES[pos - 1] and OTHER[b] != BASES[pos - 1]))
        for pos in range(20, 60)
    ]
    right = [snv(pos) for pos in range(100, 480)]
    result = annotate(make_vcf(*right, *wrong[:19]), genome, scorer, out)
    assert result.statuses["REF_MISMATCH"] == 19
    for path in out.parent.iterdir():
        path.unlink()
    header = ["##reference=GRCh38.fa"]
    expect_refused(
        AssemblyError,
        r"20 of 20 REF alleles on c.*c:20 REF is.*GRCh38",
        make_vcf(*wrong, header=header),
        genome,
        scorer,
        out,
    )
    assert annotate(make_vcf(*right, *wrong[:20]), genome, scorer, out).statuses["REF_MISMATCH"] == 20  # 5 % exactly
    for path in out.parent.iterdir():
        path.unlink()
    expect_refused(AssemblyError, "21 of 401", make_vcf(*right, *wrong[:21]), genome, scorer, out)


def test_mismatches_can_be_errors_or_be_dropped(genome, make_vcf, scorer, out, read_vcf):
    swapped = f"c 9 . {OTHER[BASES[8]]} {BASES[8]} . . ."
    source = make_vcf(snv(5), swapped, snv(30))
    expect_refused(AssemblyError, "c:9 REF is", source, genome, scorer, out, on_ref_mismatch="error")
    expect_refused(UsageError, "flag, error, drop", source, genome, scorer, out, on_ref_mismatch="no")
    result = annotate(source, genome, scorer, out, on_ref_mismatch="drop")
    assert (result.records_in, result.records_out, result.dropped) == (3, 2, 1)
    assert result.on_ref_mismatch == "drop"
    assert [row[1] for row in read_vcf(out)[1]] == [b"5", b"30"]
    assert annotate(source, genome, scorer, out).statuses["ALT_IS_REF_SWAP"] == 1


def test_running_on_its_own_output_replaces_the_tags(genome, make_vcf, scorer, out, read_vcf):
    annotate(make_vcf(snv(5, info="K=1"), snv(50)), genome, scorer, out)
    first = read_vcf(out)
    annotate(out, genome, scorer, out)
    assert read_vcf(out) == first
    scorer.tag = "GLM_SPLICE"  # GLM_STATUS cannot hold the reasons of two scores
    with pytest.raises(UsageError, match="GLM_LLR, whose reasons stand in GLM_STATUS"):
        annotate(out, genome, scorer, out)
    assert read_vcf(out) == first
    annotate(out, genome, scorer, out, overwrite_info=True)
    header, rows = read_vcf(out)
    assert rows[0][7].count(b"GLM_STATUS") == rows[0][7].count(b"GLM_LLR") == rows[0][7].count(b"GLM_SPLICE") == 1
    assert len([line for line in header if line.startswith(b"##genomelm")]) == 2
    assert len([line for line in header if b"ID=GLM_STATUS" in line]) == 1


@pytest.mark.parametrize(
    "definition",
    [
        '##INFO=<ID=GLM_LLR,Number=1,Type=String,Description="x",Source="genomelm">',
        '##INFO=<ID=GLM_LLR,Number=A,Type=Float,Description="x">',
        None,
    ],
)
def test_a_foreign_tag_of_our_name_is_kept_unless_told_otherwise(genome, make_vcf, scorer, out, read_vcf, definition):
    source = make_vcf(snv(5, info="GLM_LLR=9;K=1"), header=[definition] if definition else [])
    expect_refused(UsageError, "overwrite-info", source, genome, scorer, out)
    annotate(source, genome, scorer, out, overwrite_info=True)
    header, rows = read_vcf(out)
    assert rows[0][7].startswith(b"K=1;GLM_LLR=")
    assert len([line for line in header if b"ID=GLM_LLR," in line and line.startswith(b"##INFO")]) == 1
    annotate(source, genome, scorer, out, prefix="MY")
    assert b"GLM_LLR=9;K=1;MY_LLR=" in read_vcf(out)[1][0][7]


@pytest.mark.parametrize("tag", ["GLM_a b", "GLM_STATUS", "GLM_"])
def test_a_tag_that_vcf_does_not_allow_is_refused(genome, make_vcf, scorer, out, tag):
    scorer.tag = tag
    if tag == "GLM_":
        scorer.tag = "a;b"
    expect_refused(UsageError, "INFO tag", make_vcf(snv(5)), genome, scorer, out)


def test_unsorted_and_duplicate_records_are_kept_without_an_index(genome, make_vcf, scorer, out, read_vcf):
    out.parent.mkdir()
    for suffix in (".tbi", ".csi"):
        out.with_name(out.name + suffix).write_text("old")
    result = annotate(make_vcf(snv(50), snv(5), snv(5), snv(50)), genome, scorer, out)
    assert [row[1] for row in read_vcf(out)[1]] == [b"50", b"5", b"5", b"50"]
    assert result.index is None
    assert "not sorted" in result.warnings[0]
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    assert annotate(make_vcf(snv(5), snv(5), snv(50)), genome, scorer, out).index


def test_a_contig_past_512_mb_gets_a_csi_index(genome, make_vcf, scorer, out):
    source = make_vcf(
        snv(5), "far 600000000 . A C . . .", header=["##contig=<ID=c>", "##contig=<ID=far,length=700000000>"]
    )
    assert annotate(source, genome, scorer, out).index == f"{out}.csi"
    with pysam.VariantFile(str(out)) as variants:
        assert [record.pos for record in variants.fetch("far")] == [600000000]


def test_not_finite_scores_get_a_status(genome, make_vcf, scorer, out, read_vcf):
    scorer.score = lambda pairs: np.array([np.nan, np.inf, -0.0, 1e39, 0.12345678][: len(pairs)])
    annotate(make_vcf(*[snv(pos) for pos in range(50, 55)]), genome, scorer, out)
    rows = [row[7] for row in read_vcf(out)[1]]
    assert rows[0] == rows[1] == rows[3] == b"GLM_LLR=.;GLM_STATUS=NONFINITE"
    assert rows[2] == b"GLM_LLR=0;GLM_STATUS=OK"
    assert rows[4] == b"GLM_LLR=0.123457;GLM_STATUS=OK"


def test_sites_without_alleles_say_why(genome, make_vcf, scorer, out, read_vcf):
    base = BASES[49]
    source = make_vcf(
        f"c 50 . {base} . . . .",
        f"c 50 . {base} <NON_REF> . . END=60",
        f"c 50 . {base} {OTHER[base]},<NON_REF>,* . . .",
    )
    annotate(source, genome, scorer, out)
    rows = [row[7] for row in read_vcf(out)[1]]
    assert rows[0] == b"GLM_SITE=NO_ALT"
    assert rows[1] == b"END=60;GLM_LLR=.;GLM_STATUS=NON_REF;GLM_SITE=REF_BLOCK"
    assert rows[2].endswith(b",.,.;GLM_STATUS=OK,NON_REF,STAR")


def test_a_failure_leaves_the_old_output_and_index_alone(genome, make_vcf, scorer, out):
    annotate(make_vcf(snv(5)), genome, scorer, out)
    before = {path.name: path.read_bytes() for path in out.parent.iterdir()}

    def fail(pairs):
        raise RuntimeError("no memory")

    scorer.score = fail
    with pytest.raises(RuntimeError):
        annotate(make_vcf(snv(6)), genome, scorer, out, table=out.parent / "t.tsv")
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == before


def test_two_runs_never_write_one_output(genome, make_vcf, scorer, out):
    with output_lock(out), pytest.raises(UsageError, match="another genomelm process"):
        annotate(make_vcf(snv(5)), genome, scorer, out)


def test_outputs_that_collide_or_have_a_wrong_name_are_refused(genome, make_vcf, scorer, out, tmp_path):
    source = make_vcf(snv(5))
    expect_refused(UsageError, r"name it \.vcf\.gz", source, genome, scorer, out.with_name("out.vcf"))
    with pytest.raises(UsageError, match="reference as well"):
        annotate(source, genome, scorer, genome.path)
    expect_refused(UsageError, "input VCF as well", source, genome, scorer, out, table=source)
    expect_refused(UsageError, "output as well", source, genome, scorer, out, summary=out)
    expect_refused(UsageError, "batch size 0", source, genome, scorer, out, batch_size=0)
    assert os.path.getsize(source) > 0
