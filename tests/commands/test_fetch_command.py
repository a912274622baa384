"""genomelm fetch on the bundled manifest."""

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genomelm.cli import app
from genomelm.seq.bgzf import compression_of

MANIFEST = Path(__file__).parents[2] / "data_manifests" / "bundled.tsv"


def fetch(*arguments):
    return CliRunner().invoke(app, ["fetch", "--manifest", str(MANIFEST), *map(str, arguments)])


def test_a_bundled_genome_is_indexed_and_says_where_it_is_from(tmp_path):
    result = fetch("human_z.fa.gz", "-o", tmp_path / "z.fa.gz", "--offline")
    assert result.exit_code == 0, result.output
    assert compression_of(tmp_path / "z.fa.gz") == "bgzf"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"z.fa.gz", "z.fa.gz.fai", "z.fa.gz.gzi", "z.fa.gz.provenance.json"}
    facts = json.loads((tmp_path / "z.fa.gz.provenance.json").read_text())
    assert facts["licence"] == "MIT"
    assert facts["sha256"] == hashlib.sha256((tmp_path / "z.fa.gz").read_bytes()).hexdigest()


def test_fetching_and_preparing_apart_gives_the_same_file(tmp_path):
    assert fetch("human_z.vcf.gz", "-o", tmp_path / "raw", "--as-published").exit_code == 0
    assert fetch("human_z.vcf.gz", "-o", tmp_path / "a.vcf.gz", "--source", tmp_path / "raw").exit_code == 0
    assert fetch("human_z.vcf.gz", "-o", tmp_path / "b.vcf.gz").exit_code == 0
    assert (tmp_path / "a.vcf.gz").read_bytes() == (tmp_path / "b.vcf.gz").read_bytes()
    assert (tmp_path / "a.vcf.gz.tbi").exists()


def test_a_source_with_other_bytes_is_refused(tmp_path):
    (tmp_path / "raw").write_bytes(b"?")
    result = fetch("human_z.vcf.gz", "-o", tmp_path / "a.vcf.gz", "--source", tmp_path / "raw")
    assert result.exit_code == 6
    assert not (tmp_path / "a.vcf.gz").exists()


@pytest.mark.parametrize(
    ("name", "target", "text"),
    [
        ("ecoli.fa", "x.fa.gz", "did you mean"),
        ("ecoli.fa.gz", "x.fa", "must end with .gz"),
        ("ecoli.fa.gz", ".", "folder"),
    ],
)
def test_usage_errors_exit_with_2_and_the_fix(tmp_path, name, target, text):
    result = fetch(name, "-o", tmp_path / target)
    assert result.exit_code == 2
    assert text in result.stderr
