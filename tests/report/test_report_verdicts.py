import json
import shutil

import numpy as np
import pytest
from example_run import WRONG_SITES, edit, interval, shared, write_locus, write_scores, write_task

from genomelm.errors import InputError
from genomelm.report import build

LANGUAGE, LOCUS = "evaluate/language_model.json", "interpret/lac/summary.json"
PATCHES = "../../patch/entropy/summary.json"
COUNT_MODEL = "Held-out bits per base beside the count model"


def checks(root, **options):
    return {check["name"]: check for check in build.gather(root, **shared(root) | options)["checks"]}


def test_a_sound_run_has_no_failure(run):
    report = build.gather(run, **shared(run))
    assert [check for check in report["checks"] if check["status"] == "fail"] == []
    assert report["verdict"] == "warn"  # reverse complement, label-shuffled and planted checks were not run
    assert report["counts"]["pass"] >= 25


def test_a_model_without_any_file_gives_warnings_only(tmp_path):
    (tmp_path / "score").mkdir()
    report = build.gather(tmp_path)
    assert {check["status"] for check in report["checks"]} == {"warn"}
    assert all(check["value"] is None and "not run" in check["reason"] for check in report["checks"])


def kinds_missed(root, **options):
    names = ("Held-out tasks", "Scored variants", "Locus", "Measurements")
    return [name for name in checks(root, **options) if name in names or name.startswith("Expected")]


def test_what_was_not_planned_is_not_missed_and_what_was_is(run):
    for folder in ("score", "interpret"):
        shutil.rmtree(run / folder)
    assert kinds_missed(run) == []
    planned = ("evaluate/lac.json", "score/lac.summary.json", "interpret/lac/summary.json")
    assert kinds_missed(run, expected=planned) == [f"Expected file {path}" for path in planned[1:]]


def test_a_model_trained_from_scratch_on_tasks_it_passes_has_a_report_that_passes(tmp_path):
    write_task(tmp_path, "codons", "regression", 0.58, 0.41, "rna")
    assert build.gather(tmp_path, expected=("evaluate/codons.json",))["verdict"] == "pass"
    (tmp_path / "evaluate/codons.json").unlink()
    assert build.gather(tmp_path)["verdict"] == "warn"


@pytest.mark.parametrize("kept", ["score", "interpret"])
def test_of_a_model_that_was_trained_elsewhere_only_what_was_measured_is_checked(run, kept):
    for folder in {"pretrain", "evaluate", "finetune", "score", "interpret"} - {kept}:
        shutil.rmtree(run / folder, ignore_errors=True)
    report = build.gather(run)
    assert {check["group"] for check in report["checks"]} == {"score": {"Variants"}, "interpret": {"Attribution"}}[kept]
    planned = build.gather(run, patch_summary=run / "no such file")
    assert "Language model" in {check["group"] for check in planned["checks"]}


def test_a_measurement_that_was_begun_is_missed(run):
    for folder in ("score", "interpret", "evaluate", "finetune"):
        shutil.rmtree(run / folder)
    assert kinds_missed(run) == ["Measurements"]
    for folder in ("score", "interpret", "finetune"):
        (run / folder).mkdir()
    assert kinds_missed(run) == ["Held-out tasks", "Scored variants", "Locus"]
    for path in ("finetune/lac/seed1", "interpret/lac"):
        (run / path).mkdir(parents=True)
    (run / "score/human.tsv").touch()
    found = checks(run)
    for name in ("lac: metric", "human: records written", "lac: deletion against random order, p"):
        assert (found[name]["status"], found[name]["value"]) == ("warn", None)


def test_a_missing_directory_is_an_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        build.gather(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (PATCHES, "Mean patch length on the training region, bases"),
        ("pretrain/log.jsonl", "Training curve, last reading in bits per base"),
        (LANGUAGE, "Held-out bits per base beside the count model"),
        ("evaluate/lac.json", "lac: metric"),
        ("score/human.summary.json", None),
        ("interpret/lac/summary.json", "lac: deletion against random order, p"),
    ],
)
def test_a_missing_file_is_a_warning_and_never_a_pass(run, path, name):
    (run / path).unlink()
    found = checks(run, expected=(path,))
    assert found[f"Expected file {path}"]["status"] == "warn"
    if name:
        assert found[name]["status"] == "warn"
        assert found[name]["value"] is None
        assert path.removeprefix("../../") in found[name]["reason"]


def test_a_missing_key_or_a_broken_file_is_a_warning_with_the_reason(run):
    edit(run / "evaluate/language_model.json", "count_model", value=None)
    edit(run / "evaluate/coding.json", "model", "value", value=float("nan"))
    (run / "evaluate/lac.json").write_text("{")
    (run / "interpret/lac/attributions.npz").write_bytes(b"PK")
    found = checks(run)
    assert found["Held-out bits per base beside the count model"]["status"] == "warn"
    assert "has no count_model" in found["Held-out bits per base beside the count model"]["reason"]
    assert found["coding: auroc"]["status"] == "warn"
    assert found["lac: metric"]["status"] == "warn"
    assert found["Held-out bits per base beside uniform bases"]["status"] == "pass"


@pytest.mark.parametrize(
    ("path", "keys", "value", "name", "status"),
    [
        (LANGUAGE, ("bits_per_base",), interval(1.96, 0.01), COUNT_MODEL, "fail"),
        (LANGUAGE, ("bits_per_base",), interval(1.944, 0.004), COUNT_MODEL, "warn"),
        (LANGUAGE, ("difference",), interval(-0.002, 0.003), COUNT_MODEL, "warn"),
        (LANGUAGE, ("bits_per_base",), interval(2.1, 0.05), "Held-out bits per base beside uniform bases", "fail"),
        (LANGUAGE, ("published", "value"), 1.92, "Held-out bits per base beside a published compressor", "pass"),
        (
            LANGUAGE,
            ("ablations", "backbone_mean", "low"),
            -0.01,
            "Ablation backbone_mean: cost in bits per base",
            "warn",
        ),
        ("evaluate/lac.json", ("target", "value"), 0.7, "lac: pearson", "fail"),
        (
            "evaluate/lac.json",
            ("difference",),
            {"baseline": "kmer_1_6"} | interval(-0.1, 0.05),
            "lac: pearson minus kmer_1_6",
            "fail",
        ),
        (PATCHES, ("training", "mean"), 8.2, "Mean patch length on the training region, bases", "fail"),
        (
            LOCUS,
            ("ism_brute_force", "max_abs_difference"),
            2e-5,
            "lac: ISM against single forwards, largest difference",
            "fail",
        ),
        (LOCUS, ("controls", "random_weights", "spearman"), -0.4, "lac: random-weight model, |Spearman|", "fail"),
        (LOCUS, ("controls", "shuffled_labels"), {"spearman": 0.7}, "lac: label-shuffled model, |Spearman|", "fail"),
        (LOCUS, ("seeds", "lowest_pearson"), 0.3, "lac: agreement between seeds, Pearson", "warn"),
        (
            LOCUS,
            ("reverse_complement",),
            {"pearson": 0.5},
            "lac: reverse complement, Pearson of flipped attribution",
            "fail",
        ),
        (
            LOCUS,
            ("planted",),
            {"motifs": 3, "auprc": 0.95, "lowest_pwm_pearson": 0.8},
            "lac: planted motifs, lowest PWM Pearson",
            "fail",
        ),
    ],
)
def test_a_number_beyond_its_target_changes_the_verdict(run, path, keys, value, name, status):
    edit(run / path, *keys, value=value)
    found = checks(run)[name]
    assert found["status"] == status
    assert found["value"] is not None


def test_altered_known_sites_fail(run):
    assert checks(run)["lac: known sites against circular shifts, p"]["status"] == "warn"  # one locus: an illustration
    assert checks(run)["lac: known sites, AUROC of importance"]["status"] == "pass"
    write_locus(run, sites=WRONG_SITES)
    assert checks(run)["lac: known sites against circular shifts, p"]["status"] == "fail"
    assert checks(run)["lac: known sites, AUROC of importance"]["status"] == "fail"


def test_a_model_of_noise_fails(run):
    write_locus(run, signal=0.0)
    found = checks(run)
    assert found["lac: known sites against circular shifts, p"]["status"] == "fail"
    assert found["lac: agreement between seeds, Pearson"]["status"] == "warn"


def test_lost_records_and_non_finite_scores_fail_and_mismatches_warn(run):
    scores = np.array([0.1, -0.2])
    write_scores(run, "human", "z", scores, records_out=2, statuses={"OK": 20, "NONFINITE": 1, "REF_MISMATCH": 1})
    found = checks(run)
    assert found["human: records written"]["status"] == "fail"
    assert found["human: alleles with a non-finite score"]["status"] == "fail"
    assert found["human: per cent of alleles that disagree with the reference"]["status"] == "warn"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"records_out": 2, "dropped": 1}, "fail"),  # nobody asked for a record to be dropped
        ({"records_out": 2, "dropped": 1, "on_ref_mismatch": "drop"}, "pass"),
        ({"records_out": 1, "dropped": 1, "on_ref_mismatch": "drop"}, "fail"),
        ({"records_out": 2, "dropped": 1, "on_ref_mismatch": None}, "warn"),
        ({"dropped": None}, "warn"),
    ],
)
def test_records_may_be_missing_only_where_dropping_was_asked_for(run, changes, status):
    write_scores(run, "human", "z", np.array([0.1, -0.2]), **changes)
    assert checks(run)["human: records written"]["status"] == status


def test_a_training_curve_that_rises_fails(run):
    (run / "pretrain/log.jsonl").write_text(
        '{"step": 0, "bases": 0, "train_bits": 1.9}\n{"step": 1, "bases": 9, "train_bits": 2.4}\n'
    )
    assert checks(run)["Training curve, last reading in bits per base"]["status"] == "fail"


def test_verdicts_are_the_same_in_page_json_and_text(run, tmp_path):
    write_locus(run, sites=WRONG_SITES)
    report = build.write(run, tmp_path / "r.html")
    assert report["verdict"] == "fail"
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "fail"
    assert json.loads((run / "summary.json").read_text())["verdict"] == "fail"
    assert "verdict: FAIL" in (run / "summary.txt").read_text()
    assert (tmp_path / "r.html").read_text().count('class="badge fail"') == 1 + report["counts"]["fail"]
