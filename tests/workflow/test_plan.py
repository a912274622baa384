"""The workflow plans what its config says, and stops before planning when the config is wrong."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path):
    """A copy of what the workflow reads."""
    for name in ("workflows", "configs", "data_manifests"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    shutil.copy(REPOSITORY / "Snakefile", tmp_path)
    return tmp_path


def plan(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def counts(text):
    return {rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}


def test_the_demo_is_the_default_and_is_planned_whole(repository):
    demo = yaml.safe_load((repository / "configs" / "demo.yaml").read_text())
    done = plan(repository)
    jobs = counts(done.stdout)
    assert done.returncode == 0, done.stderr
    assert jobs["finetune"] == len(demo["tasks"]) * len(demo["seeds"])
    assert jobs["fetch"] == sum(jobs[rule] for rule in ("prepare_genome", "prepare_variants", "prepare_table"))
    assert jobs["pretrain"] == jobs["report"] == jobs["evaluate_language_model"] == 1


def test_another_config_is_not_merged_into_the_demo(repository):
    demo = yaml.safe_load((repository / "configs" / "demo.yaml").read_text())
    small = {key: demo[key] for key in ("manifest", "genome", "train_regions", "test_regions", "model", "pretrain")}
    (repository / "configs" / "small.yaml").write_text(yaml.safe_dump({**small, "results": "results/small"}))
    done = plan(repository, "--configfile", "configs/small.yaml")
    assert done.returncode == 0, done.stderr
    assert "finetune" not in counts(done.stdout)
    assert "results/demo" not in done.stdout


def test_a_wrong_config_stops_with_all_faults(repository):
    done = plan(repository, "--config", "sedes=[1]", "threads=0")
    assert done.returncode == 2
    assert "did you mean 'seeds'?" in done.stderr
    assert "threads: 0" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_gpu_configs_ask_for_a_gpu(repository):
    assert "gpu=1" not in plan(repository).stdout
    assert "gpu=1" in plan(repository, "--config", "device=cuda").stdout
