"""Awkward and damaged VCF files through `genomelm score`: exit code, message, and what is left on disk."""

import gzip
import shutil

import numpy as np
import pysam
import pytest
import torch
from safetensors.torch import load_file, save_file

from genomelm.files import output_lock
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

FILEFORMAT = "##fileformat=VCFv4.2\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}


@pytest.fixture
def output(tmp_path):
    """Return the header lines and the columns of the records that were written."""

    def read() -> tuple[list[str], list[list[str]]]:
        with pysam.BGZFile(str(tmp_path / "out" / "out.vcf.gz"), "rb") as stream:
            lines = stream.read().decode().splitlines()
        header = [line for line in lines if line.startswith("#")]
        return header, [line.split("\t") for line in lines[len(header) :]]

    return read


def statuses(rows) -> list[str]:
    return [dict(item.split("=") for item in row[7].split(";") if "=" in item).get("GLM_STATUS", "") for row in rows]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<html>404</html>", "HTML"),
        (b">c1\nACGT\n", "not a VCF"),
        (FILEFORMAT.encode() + b"##x=", "truncated"),
        ((FILEFORMAT + COLUMNS + "\nc1\t9\t.\tA\n").encode(), "in.vcf:3 has 4 of 8 columns: the file is truncated"),
        ((FILEFORMAT + COLUMNS + "\nc1\tnine\t.\tA\tC\t.\t.\t.\n").encode(), "in.vcf:3 POS is 'nine'"),
        (gzip.compress((FILEFORMAT + COLUMNS + "\n").encode() * 99)[:-9], "truncated"),
        (None, "does not exist"),
    ],
)
def test_a_damaged_file_exits_with_3_and_leaves_nothing(score, tmp_path, content, message):
    if content is not None:
        (tmp_path / "in.vcf").write_bytes(content)
    code, stderr = score(tmp_path / "in.vcf")
    assert code == 3
    assert message in stderr
    assert stderr.count("\n") == 1
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("cut", ["end block", "last block", "inside a block"])
def test_a_cut_bgzip_file_is_truncated(score, snv, write_vcf, tmp_path, cut):
    source = write_vcf(*[snv(pos, info=f"K={pos**9}") for pos in range(1, 3900)], name="in.vcf.gz")
    whole, starts = source.read_bytes(), [0]
    while starts[-1] < len(whole):
        starts.append(starts[-1] + int.from_bytes(whole[starts[-1] + 16 : starts[-1] + 18], "little") + 1)
    assert len(starts) > 3  # blocks of data, the end block, the end
    size = {"end block": starts[-2], "last block": starts[-3], "inside a block": starts[1] + 100}[cut]
    source.write_bytes(whole[:size])
    code, stderr = score(source)
    assert code == 3
    assert "truncated" in stderr
    assert not list((tmp_path / "out").glob("*"))


def test_plain_gzip_is_scored_with_a_notice(score, snv, write_vcf, output, tmp_path):
    plain = write_vcf(snv(100), snv(200))
    (tmp_path / "in2.vcf.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert score(plain) == (0, "")
    expected = output()[1]
    code, stderr = score(tmp_path / "in2.vcf.gz")
    assert code == 0
    assert "plain gzip, not bgzip: the output is bgzip" in stderr
    assert output()[1] == expected


def test_a_header_alone_gives_an_indexed_output(score, write_vcf, output, tmp_path):
    assert score(write_vcf(header="##contig=<ID=c1>\n")) == (0, "")
    assert output()[1] == []
    assert (tmp_path / "out" / "out.vcf.gz.tbi").exists()


def test_alleles_that_cannot_be_scored_have_a_status_each(score, snv, bases, write_vcf, output):
    at = lambda pos, size=1: bases[pos - 1 : pos - 1 + size]
    lower = f"c1\t60\t.\t{at(60).lower()}\t{OTHER[at(60)].lower()}\t.\t.\t."
    alts = ",".join([OTHER[at(80)], "<DEL>", "*", "<NON_REF>", f"{at(80)}[c2:5["])
    swapped = f"c1\t120\t.\t{OTHER[at(120)]}\t{at(120)}\t.\t.\t."
    wrong = next(base for base in "ACGT" if base not in (at(121), OTHER[at(121)]))
    records = [
        ("c1\t0\t.\tA\tC\t.\t.\t.", "POS_OUT_OF_RANGE"),
        (snv(1), "EDGE_PADDED"),
        (snv(50), "OK"),
        (lower, "OK"),
        (f"c1\t80\t.\t{at(80)}\t{alts}\t.\t.\t.", "OK,SYMBOLIC,STAR,NON_REF,BREAKEND"),
        (f"c1\t90\t.\t{at(90)}\t.\t.\t.\t.", ""),
        (f"c1\t91\t.\tR\t{at(91)}\t.\t.\t.", "NON_ACGT"),
        (f"c1\t92\t.\t{at(92)}\t{at(92)}\t.\t.\t.", "SAME_AS_REF"),
        (swapped, "ALT_IS_REF_SWAP"),
        (f"c1\t121\t.\t{wrong}\t{OTHER[at(121)]}\t.\t.\t.", "REF_MISMATCH"),
        (f"c1\t130\t.\t{at(130)}\t{at(130)}{'GATTACA' * 6}\t.\t.\t.", "TOO_LONG"),
        (f"c1\t140\t.\t{at(140, 40)}\t{at(140)}\t.\t.\t.", "TOO_LONG"),
        (snv(4013), "N_IN_WINDOW"),
        ("c1\t4100\t.\tA\tC\t.\t.\t.", "N_IN_WINDOW"),
        ("c1\t9999\t.\tA\tC\t.\t.\t.", "POS_OUT_OF_RANGE"),
        ("c7\t5\t.\tA\tC\t.\t.\t.", "CONTIG_MISSING"),
    ]
    assert score(write_vcf(*(line for line, _ in records))) == (0, "")
    _, rows = output()
    assert statuses(rows) == [status for _, status in records]
    for row in rows:
        found = dict(item.split("=") for item in row[7].split(";"))
        if "GLM_STATUS" not in found:
            assert found == {"GLM_SITE": "NO_ALT"}
            continue
        values = found["GLM_LLR"].split(",")
        scored = [status in ("OK", "EDGE_PADDED") for status in found["GLM_STATUS"].split(",")]
        assert [value != "." for value in values] == scored
        assert all(np.isfinite(float(value)) for value in values if value != ".")
    same = score(write_vcf(snv(60)))
    assert same == (0, "")
    assert output()[1][0][7] == rows[3][7]  # lower case scores as upper case


def test_the_last_base_of_a_contig_is_scored_at_the_edge(score, tiny_fasta, write_vcf, output):
    with Genome(tiny_fasta) as genome:
        last = genome.contigs["c2"]
        base = genome.fetch(Interval("c2", last - 1, last))
    assert score(write_vcf(f"c2\t{last}\t.\t{base}\t{OTHER[base]}\t.\t.\t.")) == (0, "")
    assert statuses(output()[1]) == ["EDGE_PADDED"]


def test_undeclared_contigs_and_aliases_are_scored_and_declared(score, snv, write_vcf, output):
    assert score(write_vcf(snv(100), snv(100, "chrc1"), header="##contig=<ID=chrc1,length=4214>\n")) == (0, "")
    header, rows = output()
    assert [line for line in header if line.startswith("##contig")] == [
        "##contig=<ID=chrc1,length=4214>",
        "##contig=<ID=c1,length=4214>",
    ]
    assert [row[0] for row in rows] == ["c1", "chrc1"]
    assert rows[0][7] == rows[1][7]
    assert score(write_vcf(snv(100, "chrc1"), header="##contig=<ID=chrc1,length=99>\n"))[0] == 4


def test_other_columns_tags_and_records_stay_as_they_were(score, snv, write_vcf, output):
    columns = COLUMNS + "\tFORMAT\tx y\tz"
    kept = "UNDECLARED=1;A=<script>;B=$(touch x)"
    line = snv(100, info=kept).split("\t")
    line[5] = "29.123456"
    records = ["\t".join([*line, "GT:PS", sample, "./."]) for sample in ("0|1:7", "1:.", ".:.", "0|1:7")]
    assert score(write_vcf(*records, columns=columns)) == (0, "")
    _, rows = output()
    for before, after in zip(records, rows, strict=True):
        assert after[7].startswith(kept + ";GLM_LLR=")
        assert before.split("\t") == [*after[:7], kept, *after[8:]]


def test_unsorted_and_duplicate_records_keep_their_order_without_an_index(score, snv, write_vcf, output, tmp_path):
    code, stderr = score(write_vcf(snv(200), snv(100), snv(100)))
    assert code == 0
    assert "not sorted" in stderr
    assert [row[1] for row in output()[1]] == ["200", "100", "100"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["out.vcf.gz"]


@pytest.mark.parametrize("declared", ["Number=1,Type=String", "Number=A,Type=Float"])
def test_a_foreign_tag_of_our_name_needs_overwrite_info(score, snv, write_vcf, output, tmp_path, declared):
    source = write_vcf(snv(100, info="GLM_LLR=9;K=1"), header=f'##INFO=<ID=GLM_LLR,{declared},Description="x">\n')
    code, stderr = score(source)
    assert code == 2
    assert "--overwrite-info" in stderr
    assert not list((tmp_path / "out").glob("*"))
    assert score(source, "--overwrite-info") == (0, "")
    header, rows = output()
    assert len([line for line in header if line.startswith("##INFO=<ID=GLM_LLR,")]) == 1
    assert rows[0][7].startswith("K=1;GLM_LLR=")


def test_running_on_its_own_output_replaces_the_tags(score, snv, write_vcf, output, tmp_path):
    assert score(write_vcf(snv(100), snv(200, info="K=1"))) == (0, "")
    first = output()[1]
    assert score(tmp_path / "out" / "out.vcf.gz") == (0, "")
    header, rows = output()
    assert rows == first
    assert len([line for line in header if "ID=GLM_LLR," in line]) == 2  # its definition and its provenance


def test_many_mismatches_name_the_likely_assembly(score, snv, bases, write_vcf, tmp_path):
    right = [snv(pos) for pos in range(500, 880)]
    wrong = [
        f"c1\t{pos}\t.\t{next(b for b in 'ACGT' if b not in (bases[pos - 1], OTHER[bases[pos - 1]]))}"
        f"\t{OTHER[bases[pos - 1]]}\t.\t.\t."
        for pos in range(100, 121)
    ]
    header = "##reference=GRCh38.fa\n"
    assert score(write_vcf(*wrong[:1], *right[:40], header=header), "--forward-only")[0] == 0
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    code, stderr = score(write_vcf(*wrong, *right[:40], header=header))
    assert code == 4
    assert "c1:100 REF is" in stderr
    assert "GRCh38" in stderr
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("options", [["--shard", "1/2"], ["--outside", "drop", "--regions", "BED"]])
def test_an_output_of_our_own_is_not_replaced_by_a_part_of_it(score, snv, write_vcf, tmp_path, options):
    bed = tmp_path / "r.bed"
    bed.write_text("c1\t0\t150\n")
    assert score(write_vcf(snv(100), snv(200))) == (0, "")
    given = tmp_path / "out" / "out.vcf.gz"
    before = given.read_bytes()
    code, stderr = score(given, *(bed if option == "BED" else option for option in options))
    assert code == 2
    assert "is an input of this run" in stderr
    assert given.read_bytes() == before


def test_a_vcf_of_others_is_not_replaced(score, snv, write_vcf, tmp_path):
    given = tmp_path / "out" / "out.vcf.gz"
    given.parent.mkdir(exist_ok=True)
    shutil.copy(write_vcf(snv(100)), given)
    before = given.read_bytes()
    code, stderr = score(given)
    assert code == 2
    assert "is an input of this run" in stderr
    assert given.read_bytes() == before


def test_a_second_process_on_one_output_stops_with_2(score, snv, write_vcf, tmp_path):
    with output_lock(tmp_path / "out" / "out.vcf.gz"):
        code, stderr = score(write_vcf(snv(100)))
    assert code == 2
    assert "another genomelm process" in stderr


def test_a_model_that_gives_nan_gives_a_status(score, snv, write_vcf, output, language_model_dir, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(language_model_dir, model)
    weights = load_file(model / "model.safetensors")
    weights["head.out.bias"] = torch.full_like(weights["head.out.bias"], torch.nan)
    save_file(weights, model / "model.safetensors")
    code, stderr = score(write_vcf(snv(100)), model=model)
    assert code == 0
    assert "gave no finite number for any allele" in stderr
    assert output()[1][0][7] == "GLM_LLR=.;GLM_STATUS=NONFINITE"


def test_a_vcf_that_shares_no_contig_with_the_reference_is_scored_with_reasons_and_a_warning(
    score, write_vcf, output
) -> None:
    code, stderr = score(write_vcf("c7\t5\t.\tA\tC\t.\t.\t.", "c8\t9\t.\tG\tC\t.\t.\t."))
    assert (code, statuses(output()[1])) == (0, ["CONTIG_MISSING", "CONTIG_MISSING"])
    assert "share no contig: is this the reference that the variants were called on?" in " ".join(stderr.split())
