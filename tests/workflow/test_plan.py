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


def test_in_another_working_directory_the_files_of_the_repository_are_found(repository, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    here, there = plan(repository), plan(repository, "--directory", str(elsewhere))
    assert there.returncode == 0, there.stderr
    assert counts(there.stdout) == counts(here.stdout)
    named = plan(repository, "--directory", str(elsewhere), "--configfile", "configs/demo.yaml")
    assert named.returncode == 0, named.stderr
    assert counts(named.stdout) == counts(here.stdout)


def test_a_fault_in_a_task_file_stops_before_planning(repository):
    with (repository / "configs" / "tasks" / "lac.yaml").open("a") as file:
        file.write("taget: 0.7\n")
    done = plan(repository)
    assert done.returncode == 2
    assert "tasks.lac.task: configs/tasks/lac.yaml" in done.stderr
    assert "did you mean 'target'?" in done.stderr


def test_only_patching_and_pretraining_take_several_threads(repository):
    jobs = re.split(r"^(?:local)?rule ", plan(repository).stdout, flags=re.MULTILINE)[1:]
    assert {job.split(":")[0] for job in jobs if "threads: 2" in job} == {"patch", "pretrain"}
