"""`genomelm pretrain`, `finetune` and `evaluate`, from files to files, on a genome of 12 kb."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from training_files import ON_CPU, finetune_arguments, make_site, pretrain_arguments, replaced, run

from genomelm.files import sha256
from genomelm.seq.alphabet import reverse_complement


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return make_site(tmp_path_factory.mktemp("commands"))


@pytest.fixture(scope="module")
def pretrained(site) -> Path:
    code, said = run("pretrain", *pretrain_arguments(site, site / "pretrain"))
    assert code == 0, said
    return site / "pretrain"


def test_pretraining_leaves_a_model_a_log_and_metrics_and_no_state(site, pretrained):
    metrics = json.loads((pretrained / "metrics.json").read_text())
    log = [json.loads(line) for line in (pretrained / "log.jsonl").read_text().splitlines()]
    assert metrics["steps"] == 20
    assert metrics["bases"] == 20 * 2 * 64
    assert (metrics["family"], metrics["objective"]) == ("hyena_glt", "causal")
    assert 0 < metrics["kmer_table_parameters"] < metrics["parameters"]
    assert [row["step"] for row in log] == [5, 10, 15, 20]
    assert all({"train_bits", "test_bits", "lr", "seconds"} <= row.keys() for row in log)
    assert (pretrained / "model" / "patcher" / "patcher.json").is_file()
    assert metrics["provenance"]["seed"] == 1
    assert not (site / "pretrain.state").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_is_finished_by_the_same_command(site, tmp_path, number):
    whole = site / "whole"
    if not whole.is_dir():
        code, said = run("pretrain", *pretrain_arguments(site, whole, "slow.yaml"))
        assert code == 0, said
    out = tmp_path / "cut"
    command = [sys.executable, "-c", "from genomelm.cli import main; main()", "pretrain"]
    command += map(str, pretrain_arguments(site, out, "slow.yaml"))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    state = tmp_path / "cut.state"
    deadline = time.monotonic() + 120
    while not list(state.glob("step-*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read()
    os.kill(process.pid, number)
    code = process.wait(60)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 75)
    assert not out.joinpath("metrics.json").exists()
    assert not out.joinpath("model").exists()
    code, said = run("pretrain", *pretrain_arguments(site, out, "slow.yaml"))
    assert code == 0, said
    first, second = (load_file(folder / "model" / "model.safetensors") for folder in (whole, out))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not state.exists()


def test_the_time_budget_ends_with_75(site, tmp_path):
    code, said = run("pretrain", *pretrain_arguments(site, tmp_path / "x"), "--max-minutes", "0")
    assert code == 75
    assert "the same command continues" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stepps: 20\n", "stepps: unknown key; did you mean 'steps'?"),
        ("steps: -1\n", "-1 is less than the minimum of 1"),
        ("steps: many\n", "'many' is not of type 'integer'"),
        ("steps: [\n", "not valid YAML"),
    ],
)
def test_a_faulty_training_file_exits_2(site, tmp_path, text, said):
    (tmp_path / "bad.yaml").write_text(text)
    code, message = run("pretrain", *replaced(pretrain_arguments(site, tmp_path / "x"), train=tmp_path / "bad.yaml"))
    assert code == 2
    assert said in message


def test_all_faults_of_a_model_file_are_told_at_once(site, tmp_path):
    (tmp_path / "bad.yaml").write_text("family: hyena_glt\nshell: {local_widht: 16}\nbackbone: {layers: 0}\n")
    code, message = run("pretrain", *replaced(pretrain_arguments(site, tmp_path / "x"), model=tmp_path / "bad.yaml"))
    assert code == 2
    assert "2 faults" in message
    assert "did you mean 'local_width'" in message


def test_overlapping_regions_are_refused(site, tmp_path):
    code, message = run("pretrain", *replaced(pretrain_arguments(site, tmp_path / "x"), test_region="c:8000-12000"))
    assert code == 2
    assert "shares bases" in message


def test_a_language_model_is_measured_beside_the_count_model_with_its_ablations(site, pretrained, tmp_path):
    out = tmp_path / "lm.json"
    code, said = run(
        *("evaluate", pretrained / "model", "--genome", site / "g.fa", "--patches", site / "patch"),
        *("--region", "c:9001-12000", "--window", 100, "-o", out, *ON_CPU),
    )
    assert code == 0, said
    result = json.loads(out.read_text())
    assert result["bases"] == 3000
    assert result["windows"] == 30
    assert (result["family"], result["objective"]) == ("hyena_glt", "causal")
    assert set(result["ablations"]) == {"backbone_mean", "random_boundaries", "without_hyena"}
    assert all(set(cost) == {"value", "delta", "low", "high"} for cost in result["ablations"].values())
    assert result["bits_per_base"]["low"] < result["bits_per_base"]["value"] < result["bits_per_base"]["high"]
    expected = result["bits_per_base"]["value"] - result["count_model"]["value"]
    assert result["difference"]["value"] == pytest.approx(expected)
    assert "long" not in result
    assert "published" not in result  # that figure belongs to another contig


def test_a_model_of_other_patches_is_refused(site, pretrained, tmp_path):
    code, _ = run(
        *("patch", site / "g.fa", "-o", tmp_path / "p", "--order", 7, "--mean", 6, "--train-region", "c:1-9000")
    )
    assert code == 0
    code, said = run(
        *("evaluate", pretrained / "model", "--genome", site / "g.fa", "--patches", tmp_path / "p"),
        *("--region", "c:9001-12000", "-o", tmp_path / "x.json", "--device", "cpu"),
    )
    assert code == 2
    assert "other patches" in said


@pytest.fixture(scope="module")
def runs(site, pretrained) -> list[Path]:
    folders = [site / f"seed{seed}" for seed in (1, 2)]
    for seed, folder in enumerate(folders, 1):
        code, said = run("finetune", *finetune_arguments(site, pretrained / "model", folder, seed))
        assert code == 0, said
    return folders


def test_the_pretrained_model_s_config_is_among_the_sources_by_which_a_run_goes_on(pretrained, runs):
    sources = json.loads((runs[0] / "metrics.json").read_text())["provenance"]["sources"]
    assert {name: sources[name] for name in ("model", "config")} == {
        "model": sha256(pretrained / "model" / "model.safetensors"),
        "config": sha256(pretrained / "model" / "config.json"),
    }


def test_seeds_differ_and_one_seed_repeats(site, pretrained, runs, tmp_path):
    code, _ = run("finetune", *finetune_arguments(site, pretrained / "model", tmp_path / "again", 1))
    assert code == 0
    first, other, again = ((folder / "predictions.tsv").read_text() for folder in (*runs, tmp_path / "again"))
    assert first == again
    assert first != other


def test_runs_of_a_task_are_judged_together_beside_the_baseline(site, runs, tmp_path):
    out = tmp_path / "task.json"
    code, said = run(
        *("evaluate", "--task", site / "task.yaml", "--data", site / "data.tsv", "--split", site / "split.tsv"),
        *(*runs, "-o", out, "--threads", 1),
    )
    assert code == 0, said
    result = json.loads(out.read_text())
    assert result["n_train"] == 75
    assert result["n_test"] == 30
    assert len(result["model"]["seeds"]) == 2
    tests = [json.loads((folder / "metrics.json").read_text())["test"] for folder in runs]
    assert result["model"]["seeds"] == pytest.approx(tests, abs=1e-6)
    assert result["target"]["value"] == result["baselines"]["kmer_1_6"]["value"]


def test_predictions_of_other_examples_are_refused(site, runs, tmp_path):
    copied = tmp_path / "run"
    shutil.copytree(runs[0], copied)
    text = (copied / "predictions.tsv").read_text()
    (copied / "predictions.tsv").write_text("\n".join(text.splitlines()[:-1]) + "\n")
    code, said = run(
        *("evaluate", "--task", site / "task.yaml", "--data", site / "data.tsv", "--split", site / "split.tsv"),
        *(copied, "-o", tmp_path / "x.json"),
    )
    assert code == 3
    assert "does not hold the test examples" in said


def test_strict_stops_at_leakage(site, pretrained, tmp_path):
    rows = (site / "data.tsv").read_text().splitlines()
    test_sequence = rows[1].split("\t")[0]
    (tmp_path / "leaky.tsv").write_text("\n".join([*rows, f"{reverse_complement(test_sequence)}\t1"]) + "\n")
    arguments = finetune_arguments(site, pretrained / "model", tmp_path / "x")
    code, said = run("finetune", *replaced(arguments, data=tmp_path / "leaky.tsv"), "--strict")
    assert code == 3
    assert "1 reverse_complement" in said


def test_test_windows_inside_the_pretraining_regions_are_told(site, pretrained, tmp_path):
    """The last tenth is 10,801-12,000; the model was pretrained on 1-9,000, and then on all by its metrics."""
    lines = ["##gff-version 3"]
    for start in range(0, 12000, 600):
        lines.append(f"c\tx\tCDS\t{start + 1}\t{start + 300}\t.\t+\t0\tID=c{start}")
    (tmp_path / "g.gff").write_text("\n".join(lines) + "\n")
    (tmp_path / "task.yaml").write_text(
        "name: coding\nkind: sequence_classification\nsource: gff_coding\ntwo_strands: true\n"
    )
    copied = tmp_path / "pretrain"
    shutil.copytree(pretrained, copied)

    def finetuned(out: str, *more: str) -> tuple[int, str]:
        return run(
            *("finetune", "--model", copied / "model", "--task", tmp_path / "task.yaml", "--data", tmp_path / "g.gff"),
            *("--genome", site / "g.fa", "--train", site / "tune.yaml", "-o", tmp_path / out),
            *(*ON_CPU, *more),
        )

    code, said = finetuned("a", "--strict")
    assert code == 0, said
    assert json.loads((tmp_path / "a" / "metrics.json").read_text())["leakage"]["pretrained_on"] == 0
    metrics = json.loads((copied / "metrics.json").read_text())
    metrics["provenance"]["train_regions"] = ["c:1-12000"]
    (copied / "metrics.json").write_text(json.dumps(metrics))
    code, said = finetuned("b", "--strict")
    assert code == 3
    assert "12 pretrained_on" in said
