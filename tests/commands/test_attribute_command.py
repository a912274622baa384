"""`genomelm attribute`: the files that the report reads, from models of random weights."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import genomelm
from genomelm import cli
from genomelm.models import HyenaGLTConfig, HyenaGLTForMultiTask
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

PLACE = Interval("c1", 300, 340, "-")


def run(*arguments):
    return CliRunner().invoke(cli.app, ["-q", "attribute", "--device", "cpu", "--threads", "1", *map(str, arguments)])


@pytest.fixture(scope="module")
def sequence(tiny_fasta):
    with Genome(tiny_fasta) as genome:
        return genome.fetch(PLACE)


@pytest.fixture(scope="module")
def attributed(tiny_fasta, task_model_dirs, sequence, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attribute")
    sites = folder / "sites.tsv"
    sites.write_text(f"name\tstart\tend\tsequence\nbox\t5\t11\t{sequence[5:11]}\n")
    result = run(
        *(*task_model_dirs, "-r", tiny_fasta, "--interval", "c1:301-340:-", "--sites", sites, "-o", folder / "toy"),
        *("--steps", 32, "--shuffles", 5, "--control", f"shuffled_labels={task_model_dirs[1]}", "--two-stranded"),
    )
    assert result.exit_code == 0, result.output
    return folder / "toy"


def test_it_writes_what_the_report_reads(attributed, sequence):
    summary = json.loads((attributed / "summary.json").read_text())
    assert summary["locus"] == {"name": "toy", "interval": "c1:301-340:-", "sequence": sequence, "unit": "toy label"}
    assert summary["models"] == ["seed0", "seed1"]
    assert set(summary["controls"]) == {"random_weights", "shuffled_labels"}
    assert summary["ism_brute_force"]["max_abs_difference"] < 1e-5
    assert summary["integrated_gradients"]["completeness_error"] < 0.01
    assert summary["reverse_complement"] is not None
    elements = json.loads((attributed / "elements.json").read_text())
    assert elements["elements"][0]["name"] == "box"
    assert elements["patch_starts"][0] == 0
    assert len(elements["entropy_nats"]) == 40
    params = json.loads((attributed / "params.json").read_text())
    assert set(params["provenance"]["models"]) == {"seed0", "seed1"}
    assert params["settings"]["integration_steps"] == 32
    with np.load(attributed / "attributions.npz", allow_pickle=False) as stored:
        assert {"one_hot", "ism", "ism_models", "gradient_x_input", "integrated_gradients"} == set(stored.files)
        assert stored["ism"].shape == (1, 40, 4)


def test_its_ism_is_the_saturation_of_the_locus(attributed, tiny_fasta, task_model_dirs):
    with np.load(attributed / "attributions.npz", allow_pickle=False) as stored:
        for path, found in zip(task_model_dirs, stored["ism_models"], strict=True):
            model = genomelm.load_model(path, "cpu")
            expected = genomelm.saturate(model, tiny_fasta, PLACE, window=PLACE)
            assert np.abs(found[0] - expected).max() < 1e-5


def test_a_language_model_is_attributed_without_gradients(tiny_fasta, language_model_dir, tmp_path):
    out = tmp_path / "lm"
    result = run(
        language_model_dir, "-r", tiny_fasta, "--interval", "c2:101-120", "-o", out, "--shuffles", 0, "--steps", 1
    )
    assert result.exit_code == 0, result.output
    summary = json.loads((out / "summary.json").read_text())
    assert summary["gradient"] is None
    assert summary["locus"]["unit"] == "nats"


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--interval", "c1:301-99999"], 3, "passes the end"),
        (["--interval", "c1:301-340", "--control", "x"], 2, "NAME=DIR"),
        (["--interval", "c1:301-340", "--control", "random_weights=d"], 2, "random_weights"),
        (["--interval", "c1:301-340", "--control", "x=nowhere"], 2, "does not exist"),
    ],
)
def test_wrong_options_exit_with_one_line(tiny_fasta, task_model_dirs, tmp_path, options, code, text):
    result = run(task_model_dirs[0], "-r", tiny_fasta, "-o", tmp_path / "o", *options)
    assert result.exit_code == code
    assert result.stderr.count("\n") == 1
    assert text in result.stderr
    assert not (tmp_path / "o").exists()


def test_models_that_do_not_belong_together_are_refused(tiny_fasta, task_model_dirs, language_model_dir, tmp_path):
    common = ["-r", tiny_fasta, "--interval", "c1:301-340", "-o", tmp_path / "o"]
    mixed = run(task_model_dirs[0], language_model_dir, *common)
    assert mixed.exit_code == 2
    assert "another head" in mixed.stderr
    twice = run(task_model_dirs[0], task_model_dirs[0], *common)
    assert twice.exit_code == 2
    assert "twice" in twice.stderr


def attributed_summary(model, tiny_fasta, tmp_path) -> dict:
    model.save_pretrained(tmp_path / "m")
    options = ["--interval", "c2:101-108", "-o", tmp_path / "out", "--shuffles", 2, "--steps", 1]
    result = run(tmp_path / "m", "-r", tiny_fasta, *options)
    assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["gradient"] is None
    assert summary["ism_brute_force"]["max_abs_difference"] < 1e-5
    return summary


def test_a_masked_model_is_attributed_in_nats(tiny_fasta, masked_model, tmp_path):
    summary = attributed_summary(masked_model, tiny_fasta, tmp_path)
    assert summary["locus"]["unit"] == "nats"
    assert summary["reference_score"] < 0
    assert summary["shuffled"]["n"] == 2


def test_a_pair_model_is_attributed_against_the_locus_itself(tiny_fasta, effect_model, tmp_path):
    summary = attributed_summary(effect_model, tiny_fasta, tmp_path)
    assert summary["locus"]["unit"] == "pair label"
    assert (summary["reference_score"], summary["shuffled"]) == (0, None)


def test_a_model_that_labels_bases_is_refused(tiny_fasta, token_model, tmp_path):
    token_model.save_pretrained(tmp_path / "m")
    result = run(tmp_path / "m", "-r", tiny_fasta, "--interval", "c2:101-112", "-o", tmp_path / "o")
    assert result.exit_code == 2
    assert "labels bases" in result.stderr
    assert not (tmp_path / "o").exists()


def test_a_model_of_several_tasks_is_attributed_for_one_of_them(tiny_fasta, language_model, tmp_path):
    tasks = {name: {"kind": "regression", "queries": 4, "task": name} for name in ("gfp", "lacz")}
    config = HyenaGLTConfig(
        shell=language_model.config.shell, backbone=language_model.config.backbone, head={"tasks": tasks}
    )
    HyenaGLTForMultiTask(config, language_model.patcher).save_pretrained(tmp_path / "m")
    where = ("-r", tiny_fasta, "--interval", "c2:101-112", "--steps", 8, "--shuffles", 2, "-o", tmp_path / "o")
    result = run(tmp_path / "m", *where)
    assert result.exit_code == 2
    assert "the model has several tasks (gfp, lacz): choose one, by --task" in " ".join(result.stderr.split())
    result = run(tmp_path / "m", *where, "--task", "lacz")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "o" / "summary.json").read_text())["locus"]["unit"] == "lacz label"
