"""What must fail: random weights, shuffled labels, noise and wrong sites, through the same commands as what holds."""

import json

import numpy as np
import pytest
from planted_data import LENGTH, planted, write_fasta, write_sites
from planted_run import run

COUNT = 10
SENTENCE = "indistinguishable from null"


def reported(folder, *arguments):
    """Attribute and report; return summary["checks"], the report's JSON and its HTML."""
    out = folder / "set"
    run("attribute", *arguments, "--method", "ism", "--device", "cpu", "--threads", 1, "-o", out)
    run("report", out, "-o", folder / "page.html")
    checks = json.loads((out / "summary.json").read_text())["checks"]
    return checks, (folder / "page.json").read_text(), (folder / "page.html").read_text()


def is_null(checks, text, html):
    assert checks["signal"]["distinguishable"] is False
    assert checks["signal"]["p"] >= 0.01
    assert SENTENCE in text
    assert SENTENCE in html
    assert json.loads(text)["verdict"] == "fail"


@pytest.fixture(scope="module")
def real():
    return planted(COUNT, seed=98, counting=True)


@pytest.fixture(scope="module")
def fasta(real, tmp_path_factory):
    return write_fasta(tmp_path_factory.mktemp("real") / "x.fa", [one.sequence for one in real])


def test_a_model_of_random_weights_is_reported_as_null(planted_models, fasta, tmp_path):
    is_null(*reported(tmp_path, planted_models.random_weights, "--fasta", fasta, "--no-motifs", "--shuffles", 2))


def test_a_model_of_shuffled_labels_is_reported_as_null(planted_models, fasta, tmp_path):
    is_null(*reported(tmp_path, planted_models.shuffled_labels, "--fasta", fasta, "--no-motifs", "--shuffles", 2))


def test_noise_is_reported_as_null_by_a_sound_model(planted_models, tmp_path):
    rng = np.random.default_rng(4)
    noise = write_fasta(tmp_path / "x.fa", ["".join(rng.choice(list("ACGT"), LENGTH)) for _ in range(COUNT)])
    is_null(*reported(tmp_path, planted_models.seeds[0], "--fasta", noise, "--no-motifs", "--shuffles", 2))


def test_sites_that_were_moved_fail(planted_models, real, fasta, tmp_path):
    sites = write_sites(tmp_path / "sites.tsv", real, moved=37)
    checks, text, html = reported(
        tmp_path, planted_models.seeds[0], "--fasta", fasta, "--sites", sites, "--shuffles", 0
    )
    assert checks["known_sites"]["p"] >= 0.001
    assert checks["known_sites"]["auprc"] < 0.9
    failed = [check["name"] for check in json.loads(text)["checks"] if check["status"] == "fail"]
    assert any("known sites" in name for name in failed)
    assert "known sites" in html
