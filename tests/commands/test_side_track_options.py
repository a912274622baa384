"""`genomelm pretrain` and `evaluate` with codon phases and conservation, from files to files."""

import json
import logging
from pathlib import Path

import pytest
from training_files import MODEL, ON_CPU, make_site, pretrain_arguments, replaced, run

import genomelm
from genomelm.models import neutral

SWITCHES = "positions: {codon: true}\nbranches: {conservation: true}\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = make_site(tmp_path_factory.mktemp("side_tracks"))
    (folder / "a.gff3").write_text("c\tx\tCDS\t101\t9700\t.\t+\t0\t.\n")
    (folder / "a.bedGraph").write_text("c\t0\t11000\t0.5\n")
    (folder / "side.yaml").write_text(MODEL + SWITCHES)
    (folder / "train.yaml").write_text("steps: 4\nbatch_size: 2\nwindow: 64\nevaluate_every: 4\n")
    return folder


def options(site: Path) -> tuple:
    return ("--codon-phase", site / "a.gff3", "--conservation", site / "a.bedGraph")


def evaluate_arguments(site: Path, model: Path, out: Path) -> list:
    return [
        *(model, "--genome", site / "g.fa", "--patches", site / "patch", "--region", "c:9001-12000"),
        *("--window", 100, "-o", out, *ON_CPU),
    ]


@pytest.fixture(scope="module")
def pretrained(site) -> Path:
    arguments = replaced(pretrain_arguments(site, site / "run"), model=site / "side.yaml")
    code, said = run("pretrain", *arguments, *options(site))
    assert code == 0, said
    return site / "run"


def test_a_model_is_trained_and_measured_with_its_tracks(site, pretrained, tmp_path):
    metrics = json.loads((pretrained / "metrics.json").read_text())
    assert {"codon_phase", "conservation"} <= metrics["provenance"].keys()
    code, said = run("evaluate", *evaluate_arguments(site, pretrained / "model", tmp_path / "a.json"), *options(site))
    assert code == 0, said
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["provenance"]["codon_phase"] == metrics["provenance"]["codon_phase"]
    assert result["bits_per_base"]
    assert result["side_information"] == ["codon_phase", "conservation"]


def test_what_the_model_reads_must_be_given_and_nothing_else(site, pretrained, tmp_path):
    reading = replaced(pretrain_arguments(site, tmp_path / "x"), model=site / "side.yaml")
    for arguments, said in (
        (("pretrain", *reading), "positions.codon on: give --codon-phase"),
        (("pretrain", *reading, *options(site)[:2]), "branches.conservation on: give --conservation"),
        (("pretrain", *pretrain_arguments(site, tmp_path / "x"), *options(site)), "--codon-phase is for models with"),
        (("evaluate", *evaluate_arguments(site, pretrained / "model", tmp_path / "x.json")), "give --codon-phase"),
        (("evaluate", "x", "--task", "t", "--data", "d", "-o", "o", *options(site)), "are for language models"),
    ):
        code, message = run(*arguments)
        assert code == 2, message
        assert said in " ".join(message.split())


def test_an_annotation_of_another_assembly_is_refused(site, tmp_path):
    (tmp_path / "b.gff3").write_text("chr9\tx\tCDS\t1\t9\t.\t+\t0\t.\n")
    reading = replaced(pretrain_arguments(site, tmp_path / "x"), model=site / "side.yaml")
    code, message = run("pretrain", *reading, *replaced(list(options(site)), codon_phase=tmp_path / "b.gff3"))
    assert code == 3
    assert "no CDS on a contig" in " ".join(message.split())


def test_scoring_without_tracks_says_once_that_values_are_missing(pretrained, caplog):
    model = genomelm.load_model(pretrained / "model", "cpu")
    neutral._say.cache_clear()
    with caplog.at_level(logging.WARNING, "genomelm"):
        for _ in range(2):
            genomelm.log_likelihood(model, ["ACGTACGT"])
    assert caplog.text.count("codon phase and conservation") == 1
