"""What `genomelm score` gives beside a VCF's scores: explanations, percentiles, saturations, other effects."""

import json

import numpy as np
import pysam
import pytest
from typer.testing import CliRunner

from genomelm import cli
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

ON_CPU = ("--device", "cpu", "--threads", "1", "--width", "64")


def run(verb, *arguments) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["-q", verb, *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def given(tiny_fasta, language_model_dir):
    return ["-r", tiny_fasta, "-m", language_model_dir, *ON_CPU]


@pytest.fixture
def variant(tiny_fasta) -> tuple[str, str, str]:
    with Genome(tiny_fasta) as genome:
        base = genome.fetch(Interval("c1", 500, 501)).upper()
    return "501", base, "A" if base != "A" else "C"


@pytest.fixture
def vcf(tmp_path, variant):
    path = tmp_path / "one.vcf"
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    path.write_text("\n".join([*lines, "\t".join(["c1", variant[0], ".", *variant[1:], ".", ".", "."])]) + "\n")
    return path


def info_of(path) -> list[dict[str, str]]:
    with pysam.BGZFile(str(path), "rb") as stream:
        lines = [line.split("\t") for line in stream.read().decode().splitlines() if not line.startswith("#")]
    return [dict(item.split("=") for item in line[7].split(";")) for line in lines]


def test_an_explanation_ends_in_the_score_that_is_written(given, vcf, variant, tmp_path):
    assert run("score", vcf, *given, "-o", tmp_path / "o.vcf.gz")[0] == 0
    written = info_of(tmp_path / "o.vcf.gz")[0]["GLM_LLR"]
    text = f"c1:{':'.join(variant)}"
    code, stdout, stderr = run("score", *given, "--explain", text, "--json")
    assert (code, stderr) == (0, "")
    found = json.loads(stdout)
    assert found["score"] == pytest.approx(float(written), rel=1e-5)
    assert found["provenance"]["reference"]
    assert run("score", *given, "--explain", text, "-o", tmp_path / "why.txt")[0] == 0
    assert f"GLM_LLR={found['score']:.7g}" in (tmp_path / "why.txt").read_text()
    code, _, stderr = run("score", *given, "--explain", "c1:5")
    assert code == 2
    assert "is no variant" in stderr
    for wrong in ((vcf, "--explain", text), ("-o", tmp_path / "x.vcf.gz"), (vcf,)):
        assert run("score", *given, *wrong)[0] == 2


def test_percentiles_are_written_where_a_background_of_the_model_is_given(
    given, vcf, tiny_fasta, task_model_dirs, tmp_path
):
    code, stdout, stderr = run("background", *given, "-o", tmp_path / "back", "--per-class", 2)
    assert code == 0, stderr
    assert "classes with fewer than asked" in stdout
    out = tmp_path / "o.vcf.gz"
    assert run("score", vcf, *given, "-o", out, "--background", tmp_path / "back")[0] == 0
    assert 0 <= float(info_of(out)[0]["GLM_PCTL"]) <= 100
    assert run("score", vcf, *given, "-o", out)[0] == 0
    assert "GLM_PCTL" not in info_of(out)[0]
    others = ["-r", tiny_fasta, "-m", task_model_dirs[0], *ON_CPU]
    code, _, stderr = run("score", vcf, *others, "-o", out, "--background", tmp_path / "back")
    assert code == 2
    assert "another" in stderr
    assert run("score", vcf, *given, "-o", out, "--background", tmp_path / "back", "--forward-only")[0] == 2


def test_a_bed_is_saturated_into_arrays_and_a_track(given, tmp_path):
    bed, out = tmp_path / "places.bed", tmp_path / "o.vcf.gz"
    bed.write_text("c2\t100\t104\nc1\t700\t705\tname\t0\t-\n")
    more = ["--arrays", tmp_path / "s.npz", "--bigwig", tmp_path / "s.bw"]
    code, _, stderr = run("score", *given, "--saturate", bed, "-o", out, *more)
    assert code == 0, stderr
    with np.load(tmp_path / "s.npz") as arrays:
        assert {name: arrays[name].shape for name in arrays} == {"c2:101-104": (4, 4), "c1:701-705:-": (5, 4)}
        scores = [float(info["GLM_LLR"]) for info in info_of(out)]
        assert sorted(scores) == pytest.approx(
            sorted(value for name in arrays for value in arrays[name].flatten() if value != 0), rel=1e-5
        )
    assert (tmp_path / "s.bw").stat().st_size > 0
    for wrong in (["-o", "-", *more], ["-o", out, "--shard", "1/2", *more]):
        assert run("score", *given, "--saturate", bed, *wrong)[0] == 2


def test_another_effect_has_its_own_tag(given, vcf, tmp_path):
    out = tmp_path / "o.vcf.gz"
    assert run("score", vcf, *given, "-o", out, "--effect", "embedding")[0] == 0
    assert float(info_of(out)[0]["GLM_EMBEDDING"]) > 0
    code, _, stderr = run("score", vcf, *given, "-o", out, "--effect", "pseudo_likelihood")
    assert code == 2
    assert "masked" in stderr
