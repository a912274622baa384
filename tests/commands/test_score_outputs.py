"""`genomelm score` with a task head of several outputs: --task picks the head, --output some of its numbers."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from genomelm import cli
from genomelm.models import HyenaGLTConfig, HyenaGLTForMultiTask
from genomelm.scoring.scorer import scorer_for
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

SHELL = {"local_width": 16, "local_heads": 2, "width": 16, "kmers": [2], "encoder_layers": 1, "decoder_layers": 1}
TASKS = {
    "eqtl": {"kind": "variant_effect", "queries": 4, "outputs": 3, "names": ["liver", "whole blood", "lung"]},
    "signal": {"kind": "regression", "queries": 4},
}
TAGS = ["GLM_EQTL_liver", "GLM_EQTL_whole_blood", "GLM_EQTL_lung"]


@pytest.fixture(scope="module")
def model(stride_patcher, tmp_path_factory):
    torch.manual_seed(0)
    config = HyenaGLTConfig(shell=SHELL, backbone={"layers": 1, "hidden": 16}, head={"tasks": TASKS})
    made, folder = HyenaGLTForMultiTask(config, stride_patcher).eval(), tmp_path_factory.mktemp("m") / "model"
    made.save_pretrained(folder)
    return made, folder


@pytest.fixture
def given(model, tiny_fasta):
    return ["-r", tiny_fasta, "-m", model[1], "--device", "cpu", "--threads", 1, "--width", 40]


@pytest.fixture
def variant(tiny_fasta) -> Variant:
    with Genome(tiny_fasta) as genome:
        base = genome.fetch(Interval("c1", 500, 501)).upper()
    return Variant("c1", 501, base, "A" if base != "A" else "C")


@pytest.fixture
def vcf(tmp_path, variant) -> Path:
    path = tmp_path / "one.vcf"
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    path.write_text("\n".join([*lines, f"c1\t501\t.\t{variant.ref}\t{variant.alt}\t.\t.\t."]) + "\n")
    return path


def run(*arguments) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["-q", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_task_is_named_and_each_of_its_outputs_written(model, given, vcf, variant, tiny_fasta, tmp_path):
    out, table = tmp_path / "o.vcf.gz", tmp_path / "t.tsv"
    code, _, stderr = run("score", vcf, *given, "-o", out)
    assert code == 2
    assert "eqtl, signal" in stderr
    assert run("score", vcf, *given, "--task", "eqtl", "-o", out, "--table", table)[0] == 0
    frame = pd.read_csv(table, sep="\t")
    assert list(frame.columns)[5:] == ["status", *TAGS]
    scorer = scorer_for(model[0].for_task("eqtl"), width=40)
    with Genome(tiny_fasta) as genome:
        expected = scorer.score([scorer.pair(genome, variant)])[0]
    np.testing.assert_allclose(frame.iloc[0, 6:].astype(float), expected, rtol=1e-4)
    some = ["--task", "eqtl", "--output", "lung", "--output", "whole blood"]
    assert run("score", vcf, *given, *some, "-o", tmp_path / "two.vcf.gz", "--table", tmp_path / "two.tsv")[0] == 0
    two = pd.read_csv(tmp_path / "two.tsv", sep="\t")
    assert list(two.columns)[5:] == ["status", *TAGS[1:]]
    assert two[TAGS[2]].tolist() == frame[TAGS[2]].tolist()
    code, stdout, _ = run("compare", out, tmp_path / "two.vcf.gz", "--json")
    found = json.loads(stdout)
    assert (code, found["equal"], [one["tags"][0] for one in found["scores"]]) == (0, True, TAGS[1:])
    code, stdout, _ = run("compare", out, tmp_path / "two.vcf.gz", "--tag", TAGS[1], "--tag", TAGS[2])
    assert (code, stdout.count("largest difference: 0")) == (0, 2)


def test_a_choice_that_is_none_is_refused(given, vcf, tmp_path):
    out = tmp_path / "o.vcf.gz"
    for wrong, told in (
        (["--task", "eqtl", "--output", "brain"], "it has liver, whole blood, lung"),
        (["--task", "signal", "--output", "liver"], "a single score"),
    ):
        code, _, stderr = run("score", vcf, *given, *wrong, "-o", out)
        assert code == 2
        assert told in " ".join(stderr.split())
    assert not out.exists()


def test_percentiles_arrays_tracks_and_explanations_are_of_each_output(given, vcf, variant, tmp_path):
    task = ["--task", "eqtl"]
    assert run("background", *given, *task, "-o", tmp_path / "back", "--per-class", 1)[0] == 0
    table = tmp_path / "t.parquet"
    background = ["--background", tmp_path / "back"]
    done = run(
        "score", vcf, *given, *task, "--output", "lung", *background, "-o", tmp_path / "o.vcf.gz", "--table", table
    )
    assert done[0] == 0, done[2]
    frame = pd.read_parquet(table)
    assert list(frame.columns)[6:] == [TAGS[2], f"{TAGS[2]}_PCTL"]
    assert frame[f"{TAGS[2]}_PCTL"].iloc[0] in (0, 50, 100)
    files = ["--arrays", tmp_path / "s.npz", "--bigwig", tmp_path / "s.bw"]
    done = run("score", "--saturate", "c1:501-504", *given, *task, "-o", tmp_path / "s.vcf.gz", *files)
    assert done[0] == 0, done[2]
    with np.load(tmp_path / "s.npz") as arrays:
        assert list(arrays) == [f"c1:501-504 {tag}" for tag in TAGS]
    assert all((tmp_path / f"s.{tag}.bw").is_file() for tag in TAGS)
    code, stdout, _ = run("score", *given, *task, "--explain", f"c1:501:{variant.ref}:{variant.alt}", "--json")
    assert code == 0
    assert json.loads(stdout)["scores"][TAGS[2]] == pytest.approx(frame[TAGS[2]].iloc[0], rel=1e-4)
