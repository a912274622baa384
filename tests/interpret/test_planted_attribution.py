"""Planted motifs through `genomelm attribute` and `genomelm report`: every check holds where it should."""

import json

import numpy as np
import pytest
from planted_data import SIZE, planted, write_fasta, write_sites, write_truth
from planted_run import run

COUNT = 64
FEW = 6
"""Regions of the costly method, of those with all motifs: one without has nothing to rank bases by."""


@pytest.fixture(scope="module")
def found():
    """Return held-out sequences whose every motif counts."""
    return planted(COUNT, seed=98, counting=True)


@pytest.fixture(scope="module")
def attributed(planted_models, found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("attributed")
    run(
        *("attribute", *planted_models.seeds, "--fasta", write_fasta(folder / "x.fa", [x.sequence for x in found])),
        *("--sites", write_sites(folder / "sites.tsv", found), "--truth", write_truth(folder / "truth.meme")),
        *("--control", f"shuffled_labels={planted_models.shuffled_labels}", "--device", "cpu", "--threads", 1),
        *("--method", "ism", "-o", folder / "planted"),
    )
    return folder / "planted"


@pytest.fixture(scope="module")
def checks(attributed):
    return json.loads((attributed / "summary.json").read_text())["checks"]


def test_ism_is_brute_force(checks):
    assert checks["brute_force"]["largest_difference"] <= 1e-5
    assert checks["brute_force"]["compared"] >= 100


def test_integrated_gradients_are_complete_and_agree_with_ism(planted_models, found, tmp_path):
    fasta = write_fasta(tmp_path / "x.fa", [one.sequence for one in found if len(one.sites) == 4][:FEW])
    run(
        *("attribute", *planted_models.seeds, "--fasta", fasta, "--no-motifs", "--shuffles", 0, "-o", tmp_path / "few"),
        *("--method", "ig", "--device", "cpu", "--threads", 1),
    )
    checks = json.loads((tmp_path / "few" / "summary.json").read_text())["checks"]
    assert checks["completeness"]["steps"] == 256
    assert checks["completeness"]["largest_relative_error"] <= 0.01
    assert checks["ig_ism"]["median_spearman"] >= 0.6


def test_both_strands_give_the_same_map(checks):
    assert checks["strand"]["lowest_pearson"] >= 1 - 1e-5


def test_attribution_is_inside_the_planted_sites(checks):
    assert checks["known_sites"]["auprc"] >= 0.9
    assert checks["known_sites"]["p"] < 0.001


def test_every_planted_motif_is_recovered(checks):
    assert len(checks["truth"]["motifs"]) == 4
    assert checks["truth"]["lowest_pearson"] >= 0.9


def test_the_order_of_attribution_matters_more_than_a_random_or_gc_matched_one(checks):
    for kind in ("deletion", "insertion"):
        assert checks[kind]["p"] < 0.01
        assert checks[kind]["p_gc"] < 0.01
        assert checks[kind]["effect_size"] > 0.5


def test_controls_do_not_show_the_pattern_and_seeds_agree(checks):
    assert checks["random_weights"]["median_spearman"] <= 0.2
    assert checks["shuffled_labels"]["median_spearman"] <= 0.2
    assert checks["seeds"]["median_correlation"] >= 0.5


def test_the_models_are_distinguishable_from_null(checks):
    assert checks["signal"]["distinguishable"] is True
    assert checks["signal"]["p"] < 0.01


def test_signs_follow_activator_and_repressor(attributed, found):
    with np.load(attributed / "attributions.npz") as stored:
        support = -stored["ism"].sum(-1)
    means = {"activator": [], "repressor": [], "left": [], "right": []}
    for values, one in zip(support, found, strict=True):
        for name, start, _ in one.sites:
            means[name].append(values[start : start + SIZE].mean())
    assert np.mean(np.array(means["activator"]) > 0) > 0.9
    assert np.mean(np.array(means["repressor"]) < 0) > 0.9
    assert np.mean(np.array(means["left"] + means["right"]) > 0) > 0.9


def test_the_report_passes_what_was_checked(attributed, tmp_path):
    run("report", attributed, "-o", tmp_path / "page.html")
    made = json.loads((tmp_path / "page.json").read_text())
    failed = [check for check in made["checks"] if check["status"] == "fail"]
    assert failed == []
    assert "indistinguishable from null" not in (tmp_path / "page.html").read_text()
