"""Files that are no reference, through each command that reads a FASTA: exit code, message, and nothing written."""

import gzip
import os

import pysam
import pytest
from typer.testing import CliRunner

from genomelm import cli

BASES = "ACGTTGACATATAATGCAGG"


def run(*arguments):
    return CliRunner().invoke(cli.app, ["-q", *map(str, arguments), "--device", "cpu", "--threads", "1"])


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))


def bgzf_without_end(path, text: str) -> bytes:
    with pysam.BGZFile(str(path), "wb") as stream:
        stream.write(text.encode())
    return path.read_bytes()[:-28]


@pytest.mark.parametrize("command", ["score", "attribute", "predict"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", "HTML"),
        (b">p\nMKVLAAGIVGLPNVGKSTLFNALTEQ\n", "protein"),
        (b">a\nACGT\n>a\nACGT\n", "twice"),
        (b"ACGT\n", "not FASTA"),
        (b"@r\nACGT\n+\nIIII\n", "FASTQ"),
        (b">a\nACGT\nAC\nACGT\n", "cannot be indexed"),
        (gzip.compress(b">a\n" + b"ACGT" * 9000)[:-20], "truncated"),
        ("end block", "truncated"),
        (None, "does not exist"),
    ],
)
def test_what_is_no_genome_exits_with_3(command, content, message, language_model_dir, tmp_path):
    fasta, out = tmp_path / "ref.fa", tmp_path / "out" / "o.vcf.gz"
    if content == "end block":
        content = bgzf_without_end(tmp_path / "whole.gz", f">a\n{BASES * 9000}\n")
    if content is not None:
        fasta.write_bytes(content)
    arguments = {
        "score": ["--saturate", "a:1-2", "-r", fasta, "-m", language_model_dir, "-o", out],
        "attribute": [language_model_dir, "-r", fasta, "--interval", "a:1-2", "-o", out],
        "predict": [fasta, "-m", language_model_dir, "-o", out],
    }
    result = run(command, *arguments[command])
    assert result.exit_code == 3, result.output
    assert message in result.stderr
    assert "ref.fa" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.parent.exists()


def test_a_protein_among_dna_is_refused_by_its_record(language_model_dir, tmp_path):
    fasta = tmp_path / "in.fa"
    fasta.write_text(f">good\n{BASES}\n>bad one\nMKVLAAGIVGLPNVGKSTLF\n")
    result = run("predict", fasta, "-m", language_model_dir, "-o", tmp_path / "o.tsv")
    assert result.exit_code == 3
    assert "in.fa: bad: 13 of 20 letters are not dna" in result.stderr
    assert not (tmp_path / "o.tsv").exists()


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_fasta_edited_after_indexing_is_read_anew(keep_time, language_model_dir, tmp_path):
    fasta = tmp_path / "ref.fa"

    def table(text: str) -> str:
        fasta.write_text(text)
        if keep_time and (tmp_path / "ref.fa.fai").exists():
            made = os.stat(tmp_path / "ref.fa.fai").st_mtime
            os.utime(fasta, (made - 10, made - 10))
        result = run("predict", fasta, "-m", language_model_dir)
        assert result.exit_code == 0, result.output
        return result.stdout

    first, edited = f">a\n{BASES}\n>b\n{BASES}\n", f">a\n{BASES[5:]}\n>b\n{BASES[::-1]}\n"
    before = table(first)
    after = table(edited)
    assert [line.split("\t")[1] for line in after.splitlines()[1:]] == ["15", "20"]
    assert table(first) == before
    (tmp_path / "ref.fa.fai").unlink()
    assert table(edited) == after
