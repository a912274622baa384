"""Scores beside the annotations of VEP (CSQ) and SnpEff (ANN): before or after them, and neither changes the other."""

import gzip
import os
import shutil
import subprocess

import pytest

VEP = (
    '##VEP="v110" time="2026-01-01 00:00:00" cache="/a b/c"\n'
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: '
    'Allele|Consequence|IMPACT|SYMBOL|Gene|HGVSp">\n'
)
SNPEFF = (
    '##SnpEffVersion="5.2 (build 2023-09-29), by Pablo Cingolani"\n'
    "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | "
    "Annotation_Impact | Gene_Name'\">\n"
    "##INFO=<ID=LOF,Number=.,Type=String,Description=\"Predicted loss of function effects. Format: 'Gene_Name'\">\n"
)
DECLARED = '##contig=<ID=c1,length=4214>\n##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">\n'
CSQ = (
    "CSQ={alt}|missense_variant&splice_region_variant|MODERATE|lacZ|b0344|p.Glu6%3DVal,"
    "{alt}|upstream_gene_variant|MODIFIER|lacI|b0345|"
)
ANN = "ANN={alt}|missense_variant|MODERATE|lacZ,{alt}|upstream_gene_variant|MODIFIER|lacI;LOF=(lacZ|b0344|1|1.00)"
PLACES = (500, 900, 2500)

needs_bcftools = pytest.mark.skipif(
    not shutil.which("bcftools") and (os.geteuid() != 0 or not shutil.which("apt-get")),
    reason="bcftools is not installed, and there is no root with apt-get to install it",
)


def lines_of(path):
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return text.decode().splitlines()


def records_of(path):
    return [line.split("\t") for line in lines_of(path) if not line.startswith("#")]


def annotated(record, template):
    """Return a record as VEP and SnpEff write it: their tag behind what INFO holds."""
    cells = record.split("\t")
    return "\t".join([*cells[:7], f"{cells[7]};{template.format(alt=cells[4])}", *cells[8:]])


def split_vep(path, *columns):
    text = "\\t".join(f"%{column}" for column in columns) + "\\n"
    done = subprocess.run(["bcftools", "+split-vep", "-s", "worst", "-f", text, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("header", "template"), [(VEP, CSQ), (SNPEFF, ANN)], ids=["VEP", "SnpEff"])
def test_an_annotation_stays_byte_for_byte_when_scores_come_after_it(score, snv, write_vcf, tmp_path, header, template):
    given = [annotated(snv(place, info="AF=0.0100;DB"), template) for place in PLACES]
    code, said = score(write_vcf(*given, header=DECLARED + header))
    assert code == 0, said
    found = records_of(tmp_path / "out" / "out.vcf.gz")
    for record, cells in zip(given, found, strict=True):
        before, _, ours = cells[7].partition(";GLM_LLR=")
        assert "\t".join([*cells[:7], before]) == record
        assert ours.endswith(";GLM_STATUS=OK")
    kept = [line for line in lines_of(tmp_path / "out" / "out.vcf.gz") if line.startswith("##")]
    declared = (DECLARED + header).splitlines()
    assert [line for line in kept if line in declared] == declared


@needs_bcftools
def test_bcftools_splits_consequences_and_scores_of_one_file(score, snv, write_vcf, tmp_path):
    given = [annotated(snv(place, info="AF=0.01"), CSQ) for place in PLACES]
    assert score(write_vcf(*given, header=DECLARED + VEP), "--table", tmp_path / "t.tsv")[0] == 0
    rows = split_vep(tmp_path / "out" / "out.vcf.gz", "CHROM", "POS", "REF", "ALT", "SYMBOL", "Consequence", "GLM_LLR")
    assert {(row[4], row[5]) for row in rows} == {("lacZ", "missense_variant&splice_region_variant")}
    header, *table = [line.split("\t") for line in (tmp_path / "t.tsv").read_text().splitlines()]
    by_allele = {
        tuple(row[header.index(name)] for name in ("contig", "pos", "ref", "alt")): float(row[header.index("score")])
        for row in table
    }
    assert len(rows) == len(PLACES)
    for row in rows:  # contig, pos, ref and alt join the table with what was split
        assert by_allele[tuple(row[:4])] == pytest.approx(float(row[6]), rel=1e-5)


@needs_bcftools
def test_an_annotation_after_the_scores_leaves_them_and_they_can_be_made_anew(score, snv, write_vcf, tmp_path):
    assert (
        score(write_vcf(*(snv(place, info="AF=0.01") for place in PLACES), header=DECLARED), out="one.vcf.gz")[0] == 0
    )
    scored = lines_of(tmp_path / "out" / "one.vcf.gz")
    head = [line for line in scored if line.startswith("##")]
    records = [annotated(line, CSQ) for line in scored if not line.startswith("#")]
    path = write_vcf(
        *records, header="".join(f"{line}\n" for line in [*head[1:], *VEP.splitlines()]), name="vep.vcf.gz"
    )
    values = [row[0] for row in split_vep(path, "GLM_LLR", "Consequence")]
    assert values == [cells[7].split("GLM_LLR=")[1].split(";")[0] for cells in records_of(tmp_path / "out/one.vcf.gz")]
    assert score(path, out="two.vcf.gz")[0] == 0
    for old, new in zip(records, records_of(tmp_path / "out" / "two.vcf.gz"), strict=True):
        parts = old.split("\t")[7].split(";")
        assert sorted(new[7].split(";")) == sorted(parts)  # replaced, not there twice
        assert [part for part in new[7].split(";") if not part.startswith("GLM_")] == ["AF=0.01", parts[-1]]
