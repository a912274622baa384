"""`snakemake --profile slurm` on a real Slurm: one machine's results, all jobs in its records, a killed one retried."""

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from outputs import differences
from slurm_runs import HERE, Record, queued, records, started, submitted, wait
from small_repository import REPOSITORY, RESULTS, small_repository

LOCAL = {"fetch", "fetch_pinned", "provenance", "all"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not (shutil.which("apt-get") or shutil.which("slurmctld")),
        reason="a private Slurm needs root, and apt-get to install it",
    ),
]


class Run(NamedTuple):
    """A finished run of the small config, and what Slurm knows of it."""

    folder: Path
    output: str
    killed: str
    records: list[Record]


@pytest.fixture(scope="module")
def run(cluster, tmp_path_factory):
    """Run the small config from a copy of the repository's root, and kill pretraining once."""
    folder = small_repository(tmp_path_factory.mktemp("remote"))
    with started(folder, PYTHONPATH=str(HERE / "often")) as snakemake:
        state = folder / RESULTS / "models" / "tiny" / "pretrain.state"
        wait("a checkpoint of pretraining", lambda: list(state.glob("step-*")) or snakemake.poll() is not None)
        killed = next((id for id, rule in queued() if rule == "pretrain"), "none")
        subprocess.run(["scancel", "--signal=KILL", killed])
        snakemake.wait(timeout=260)
    output = (folder / "said").read_text()
    assert snakemake.returncode == 0, output
    return Run(folder, output, killed, records(submitted(output)))


def rules_of_the_repository() -> set[str]:
    """Return the names of all rules, `fetch` (a local rule) among them."""
    texts = [path.read_text() for path in (REPOSITORY / "workflows" / "rules").glob("*.smk")]
    return {name for text in texts for name in re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", text, re.MULTILINE)}


def planned(output: str) -> Counter:
    """Return the jobs of each rule that Snakemake planned."""
    table = output.partition("Job stats:")[2].partition("total")[0]
    return Counter({rule: int(number) for rule, number in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)})


def test_slurm_ran_every_job_of_every_rule_but_the_local_ones(run):
    told = re.findall(r"submitted with SLURM jobid (\d+) \(log: \S+/rule_(\w+)/", run.output)
    assert sorted(told) == sorted((record.id, record.rule) for record in run.records)
    ended = Counter(record.rule for record in run.records if record.state == "COMPLETED")
    expected = Counter({rule: number for rule, number in planned(run.output).items() if rule not in LOCAL})
    assert ended == expected
    assert set(ended) == rules_of_the_repository() - LOCAL


def test_a_killed_job_is_retried_and_the_run_finishes(run):
    states = {record.id: record.state for record in run.records if record.rule == "pretrain"}
    assert len(states) == 2
    assert states.pop(run.killed) != "COMPLETED"
    assert list(states.values()) == ["COMPLETED"]
    assert sum(record.state != "COMPLETED" for record in run.records) == 1


def test_the_results_are_those_of_one_machine(run, local_run):
    assert differences(run.folder / RESULTS, local_run / RESULTS) == []


def test_a_cpu_config_asks_for_no_gpu(run):
    assert [record for record in run.records if "gpu" in record.asked] == []


def test_gpu_rules_ask_for_a_gpu_when_the_config_does(run, tmp_path):
    copy = shutil.copytree(run.folder, tmp_path / "copy", symlinks=True)
    subprocess.run(["scontrol", "update", "PartitionName=cpu", "State=DOWN"], check=True)  # jobs are taken and wait
    rules = {"finetune", "evaluate_language_model", "score_saturation"}
    forced = ["--config", "device=cuda", "--rerun-triggers", "mtime", "--forcerun", *rules]
    try:
        with started(copy, *forced) as snakemake:
            wait("jobs in the queue", lambda: len(queued()) == len(rules) or snakemake.poll() is not None, 60)
            snakemake.send_signal(signal.SIGINT)
            snakemake.wait(timeout=60)
    finally:
        subprocess.run(["scontrol", "update", "PartitionName=cpu", "State=UP"])
    found = records(submitted((copy / "said").read_text()))
    assert sorted(record.rule for record in found) == sorted(rules)
    assert [record for record in found if "gres/gpu=1" not in record.asked] == []
    assert queued() == []  # Ctrl-C takes them out of the queue
