"""Genotypes and names of samples reach no log, table, report or cache; only the VCF itself has them."""

import json
import logging

import pytest
from typer.testing import CliRunner

from genomelm import cli

NAMES, GENOTYPE = ("PATIENT_7", "FATHER_OF_7"), "SECRETCALL"


@pytest.fixture
def source(write_vcf, snv):
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(NAMES)
    rows = [f"{snv(pos)}\tGT:X\t0|1:{GENOTYPE}\t1|1:{GENOTYPE}" for pos in (100, 300, 200)]
    return write_vcf(*rows, columns=columns)


def run(*arguments) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, [*map(str, arguments)])
    return result.exit_code, result.output + result.stderr


def clean(text: str | bytes) -> bool:
    data = text.encode() if isinstance(text, str) else text
    return not any(word.encode() in data for word in (*NAMES, GENOTYPE))


@pytest.mark.parametrize("form", ["tsv", "parquet"])
def test_only_the_vcf_tells_who_has_what(source, tiny_fasta, language_model_dir, tmp_path, caplog, form):
    caplog.set_level(logging.DEBUG)
    names = tmp_path / "names.txt"
    names.write_text(NAMES[0] + "\n")
    folder = tmp_path / "o"
    options = ["-r", tiny_fasta, "-m", language_model_dir, "--width", 32, "--device", "cpu", "--threads", 1]
    options += ["--samples", names, "--cache", folder / "cache", "--table", folder / f"t.{form}", "--resume"]
    options += ["--summary", folder / "s.json", "--json", "--sort"]
    out = folder / "o.vcf.gz"
    code, printed = run("score", source, *options, "-o", out)
    assert code == 0
    texts = [printed, caplog.text]
    shards = [folder / "1.vcf.gz", folder / "2.vcf.gz"]
    for number, shard in enumerate(shards, 1):
        texts.append(run("score", source, *options, "--shard", f"{number}/2", "-o", shard)[1])
    merged = folder / "m.vcf.gz"
    texts.append(
        run("merge", *shards, "-o", merged, "--table", folder / f"m.{form}", "--summary", folder / "m.json")[1]
    )
    texts.append(run("compare", out, merged, "--json")[1])
    assert json.loads(texts[-1])["equal"]
    files = [path for path in folder.rglob("*") if path.is_file() and path not in (out, merged, *shards)]
    assert {path.suffix for path in files} >= {".sqlite", ".json", f".{form}", ".tbi"}
    assert all(map(clean, texts))
    assert all(clean(path.read_bytes()) for path in files if path.suffix != ".tbi")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-40],  # inside the last genotype
        lambda text: text.replace("\tGT:X", "", 1),
        lambda text: text.replace("c1\t100", "c1\tx", 1),
        lambda text: text.replace("\tPOS\t", "\t", 1),
        lambda text: text.replace("#CHROM", "CHROM", 1),
        lambda text: text.replace("##fileformat=VCFv4.2\n", "", 1),
        lambda text: text + "\n" + text.splitlines()[-1] + "\n",
    ],
)
def test_errors_about_a_damaged_file_do_not_quote_it(source, score, damage):
    source.write_text(damage(source.read_text()))
    code, stderr = score(source)
    assert (code, clean(stderr)) in ((0, True), (3, True))


def test_a_sample_that_is_not_there_is_not_named(source, score, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("PATIENT_7\nPATIENT_78\n")
    code, stderr = score(source, "--samples", names)
    assert code == 2
    assert "not 1 of the 2 that --samples names (first: name number 2)" in " ".join(stderr.split())
    assert clean(stderr)
