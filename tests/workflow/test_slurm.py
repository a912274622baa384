"""`snakemake --profile slurm` on a real Slurm: one machine's results, all jobs in its records, a killed one retried."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from outputs import differences
from small_repository import PROGRAM, REPOSITORY, RESULTS, environment, small_repository

HERE = Path(__file__).parent / "slurm"
CLUSTER = [sys.executable, str(HERE / "cluster.py")]
# The profile as it is shipped; with it only what a test must not wait for, and the status command that it documents.
SLURM = [*PROGRAM, "--profile", "slurm", "--slurm-status-command", "squeue", "--latency-wait", "5"]
SLURM += ["--slurm-init-seconds-before-status-checks", "1"]
LOCAL = {"fetch", "all"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not (shutil.which("apt-get") or shutil.which("slurmctld")),
        reason="a private Slurm needs root, and apt-get to install it",
    ),
]


class Record(NamedTuple):
    """One job in Slurm's accounting."""

    id: str
    rule: str
    state: str
    asked: str


class Run(NamedTuple):
    """A finished run of the small config, and what Slurm knows of it."""

    folder: Path
    output: str
    killed: str
    records: list[Record]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A private Slurm of two nodes with two pretend GPUs each."""
    folder = tmp_path_factory.mktemp("slurm") / "cluster"
    try:
        started = subprocess.run([*CLUSTER, "start", folder], capture_output=True, text=True, timeout=120)
        assert started.returncode == 0, started.stderr
        yield folder
    finally:
        subprocess.run([*CLUSTER, "stop", folder], timeout=120)


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


@contextlib.contextmanager
def started(folder, *arguments, **variables):
    """Start Snakemake with the profile, its output in the file `said`; `timeout -k`, as it may outlive a plain one."""
    command = ["timeout", "-k", "5", "280", *SLURM, *arguments]
    with open(folder / "said", "w") as said:
        process = subprocess.Popen(
            command, cwd=folder, env={**environment(), **variables}, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=30)


def queued() -> list[tuple[str, str]]:
    """Return the ids and rules of the jobs that wait or run."""
    lines = subprocess.run(
        ["squeue", "--noheader", "--format=%i|%k"], capture_output=True, text=True, check=True
    ).stdout
    return [(id, rule_of(comment)) for id, comment in (line.split("|") for line in lines.splitlines())]


def records(ids: list[str]) -> list[Record]:
    """Return these jobs from Slurm's accounting, which learns of their ends some seconds later."""
    found: list[Record] = []

    def all_there() -> bool:
        columns = "--format=JobIDRaw,Comment%200,State,ReqTRES%200"
        command = ["sacct", "-X", "--noheader", "--parsable2", columns, f"--jobs={','.join(ids)}"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        cells = [line.split("|") for line in lines]
        found[:] = [
            Record(id, rule_of(comment), state, asked) for id, comment, state, asked in cells if comment and asked
        ]
        return {record.id for record in found} == set(ids)

    wait(f"Slurm's records of jobs {', '.join(ids)}", all_there, 30)
    return found


def submitted(output: str) -> list[str]:
    """Return the job ids that Snakemake tells of."""
    return re.findall(r"submitted with SLURM jobid (\d+) ", output)


def rule_of(comment: str) -> str:
    """Return the rule that the executor writes into a job's comment."""
    return comment.removeprefix("rule_").partition("_wildcards_")[0]


def rules_of_the_repository() -> set[str]:
    """Return the names of all rules, `fetch` (a local rule) among them."""
    texts = [path.read_text() for path in (REPOSITORY / "workflows" / "rules").glob("*.smk")]
    return {name for text in texts for name in re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)", text, re.MULTILINE)}


def wait(what: str, ready: Callable[[], object], seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:g} s"
        time.sleep(0.2)


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
