"""`genomelm predict` and `score` with a model of several tasks: --task picks one."""

import csv
import json

import numpy as np
import pysam
import pytest
import torch
from typer.testing import CliRunner

import genomelm
from genomelm import cli
from genomelm.errors import UsageError
from genomelm.models import GenomeModel, HyenaGLTConfig, HyenaGLTForMultiTask
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

SHELL = {"local_width": 16, "local_heads": 2, "width": 16, "kmers": [2], "encoder_layers": 1, "decoder_layers": 1}
TASKS = {
    "signal": {"kind": "regression", "queries": 4, "mean": 2.0},
    "track": {"kind": "regression", "per_base": True, "outputs": 2, "scale": 3.0},
    "type": {"kind": "sequence_classification", "queries": 4, "two_strands": True},
}
SEQUENCES = {"one": "ACGTTGACATATAATGCAGG", "two": "GATTACANNGATTACA"}


@pytest.fixture(scope="module")
def model(stride_patcher, tmp_path_factory) -> tuple[GenomeModel, str]:
    torch.manual_seed(0)
    config = HyenaGLTConfig(shell=SHELL, backbone={"layers": 1, "hidden": 16}, head={"tasks": TASKS})
    made, folder = HyenaGLTForMultiTask(config, stride_patcher).eval(), tmp_path_factory.mktemp("m") / "model"
    made.save_pretrained(folder)
    return made, str(folder)


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "in.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in SEQUENCES.items()))
    return path


def run(*arguments):
    return CliRunner().invoke(cli.app, ["-q", *map(str, arguments)])


def test_predict_gives_the_outputs_of_the_task_that_is_named(model, fasta, tmp_path):
    made, folder = model
    for task, columns in (("signal", ["name", "bases", "value"]), ("type", ["name", "bases", "logit", "probability"])):
        out = tmp_path / f"{task}.tsv"
        result = run("predict", fasta, "-m", folder, "--task", task, "-o", out, "--device", "cpu")
        assert result.exit_code == 0, result.output
        rows = list(csv.DictReader(out.read_text().splitlines(), delimiter="\t"))
        assert list(rows[0]) == columns
        expected = genomelm.predict(made.for_task(task), list(SEQUENCES.values()))[:, 0]
        assert [float(row[columns[2]]) for row in rows] == pytest.approx(expected, abs=1e-5)
        assert json.loads((tmp_path / f"{task}.tsv.json").read_text())["task"] == task


def test_a_track_is_written_base_by_base(model, fasta):
    made, folder = model
    result = run("predict", fasta, "-m", folder, "--task", "track", "--device", "cpu")
    rows = list(csv.DictReader(result.stdout.splitlines(), delimiter="\t"))
    assert list(rows[0]) == ["name", "position", "base", "value_0", "value_1"]
    assert [row["base"] for row in rows] == list("".join(SEQUENCES.values()))
    expected = np.concatenate(genomelm.predict(made.for_task("track"), list(SEQUENCES.values())))
    found = np.array([[float(row["value_0"]), float(row["value_1"])] for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_score_gives_the_effect_on_the_task_that_is_named(model, tiny_fasta, tmp_path):
    with Genome(tiny_fasta) as genome:
        ref = genome.fetch(Interval("c1", 500, 501))
    alt = "A" if ref != "A" else "C"
    vcf, out = tmp_path / "in.vcf", tmp_path / "out.vcf.gz"
    vcf.write_text(
        f"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nc1\t501\t.\t{ref}\t{alt}\t.\t.\t.\n"
    )
    common = ("score", vcf, "-r", tiny_fasta, "-m", model[1], "-o", out, "--device", "cpu")
    result = run(*common, "--task", "signal")
    assert result.exit_code == 0, result.output
    with pysam.BGZFile(str(out), "rb") as stream:
        assert b"GLM_SIGNAL=" in stream.read()
    for arguments, said in (
        (common, "the model has several tasks (signal, track, type): choose one, by --task"),
        ((*common, "--task", "signl"), "the model has no task 'signl'"),
        ((*common, "--task", "track"), "labels bases"),
    ):
        refused = run(*arguments)
        assert refused.exit_code == 2
        assert said in " ".join(refused.stderr.split())


def test_functions_ask_for_one_task(model):
    for function in (genomelm.predict, genomelm.log_likelihood, genomelm.attribute):
        with pytest.raises(UsageError, match="several tasks"):
            function(model[0], ["ACGT"])
    assert genomelm.embed(model[0], ["ACGT", "AC"]).shape == (2, 16)
