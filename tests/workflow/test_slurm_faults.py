"""What clusters do to a run: each ends in one machine's result, or in one clear error and, mended, in that result.

`pytest -m slurm_faults tests/workflow` takes about a quarter of an hour. A killed job that is retried is in
test_slurm.py, which every run of the tests has.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml
from outputs import differences
from slurm_runs import HERE, Record, queued, records, started, submitted, wait
from small_repository import PROGRAM, RESULTS, environment, run_here, small_repository

MODEL = f"{RESULTS}/models/tiny"
BEGUN = (f"{RESULTS}/patch/entropy/summary.json", f"{RESULTS}/data/genome.fa.gz")
WANTED = (f"{MODEL}/pretrain/metrics.json", f"{MODEL}/score/every.vcf.gz")
OFTEN, LATE = str(HERE / "often"), str(HERE / "late")
STEPS = 2000
"""Optimizer steps of pretraining: about half a minute, so that there is time to do something to it."""

pytestmark = [
    pytest.mark.slurm_faults,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("slurmctld"), reason="a private Slurm needs root, and its packages"
    ),
]


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """The small config with its data and patches made: pretraining and scoring follow."""
    folder = small_repository(tmp_path_factory.mktemp("begun"))
    training = folder / "small" / "pretrain.yaml"
    training.write_text(yaml.safe_dump(yaml.safe_load(training.read_text()) | {"steps": STEPS}))
    done = run_here(folder, *BEGUN)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def expected(begun, tmp_path_factory) -> Path:
    """The same, run to its end on this machine."""
    folder = copy_of(begun, tmp_path_factory.mktemp("expected") / "run")
    done = run_here(folder, *WANTED)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(begun, tmp_path) -> Path:
    """A copy of what was begun."""
    return copy_of(begun, tmp_path / "run")


def copy_of(folder: Path, to: Path) -> Path:
    return shutil.copytree(folder, to, symlinks=True)


def going(folder: Path, *arguments: object, path: str = OFTEN):
    """Start the run on Slurm."""
    return started(folder, *WANTED, *arguments, PYTHONPATH=path)


def training(folder: Path, snakemake: subprocess.Popen) -> str:
    """Wait until pretraining has a checkpoint; return its job id."""
    state = folder / f"{MODEL}/pretrain.state"
    wait("a checkpoint of pretraining", lambda: list(state.glob("step-*")) or snakemake.poll() is not None)
    found = [id for id, rule in queued() if rule == "pretrain"]
    assert found, (folder / "said").read_text()
    return found[0]


def finished(folder: Path, snakemake: subprocess.Popen, expected: Path) -> list[Record]:
    """Wait for the end, hold the results against one machine's, and return Slurm's records of the jobs."""
    snakemake.wait(timeout=270)
    said = (folder / "said").read_text()
    assert snakemake.returncode == 0, said
    assert differences(folder / RESULTS, expected / RESULTS) == []
    return records(submitted(said))


def failed(folder: Path, snakemake: subprocess.Popen) -> str:
    """Wait for the end of a run that cannot succeed; return what it said."""
    assert snakemake.wait(timeout=270) not in (0, 124, 137)
    return (folder / "said").read_text()


def control(*arguments: str) -> None:
    subprocess.run(["scontrol", *arguments], check=True)


def node_of(job: str) -> str:
    found = subprocess.run(["squeue", "--noheader", "--format=%N", f"--jobs={job}"], capture_output=True, text=True)
    return found.stdout.strip()


def state_of(node: str) -> str:
    command = ["sinfo", "--noheader", f"--nodes={node}", "--format=%T"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def resumed(folder: Path) -> int:
    """Return how often pretraining went on from a checkpoint."""
    import json

    return json.loads((folder / f"{MODEL}/pretrain/log.jsonl").read_text().splitlines()[-1])["resumes"]


def log_of(folder: Path, job: str) -> str:
    """Return what Snakemake said in a job."""
    (log,) = (folder / ".snakemake" / "slurm_logs").rglob(f"{job}.log")
    return log.read_text()


def is_error(line: str) -> bool:
    """Return whether a line of a log is the one that a command ends with."""
    return line.startswith("genomelm: ")


def states(found: list[Record], rule: str) -> list[str]:
    return sorted(record.state.split()[0] for record in found if record.rule == rule)


def test_a_drained_node_ends_its_job_and_the_next_goes_elsewhere(cluster, folder, expected):
    with going(folder) as snakemake:
        node = node_of(training(folder, snakemake))
        control("update", f"NodeName={node}", "State=DRAIN", "Reason=a test")
        try:
            found = finished(folder, snakemake, expected)
        finally:
            control("update", f"NodeName={node}", "State=RESUME")
    assert states(found, "pretrain") == ["COMPLETED"]
    assert [record.nodes for record in found if record.rule == "score_saturation"] == [{"n1": "n2", "n2": "n1"}[node]]


def test_a_job_whose_node_is_lost_goes_on_elsewhere(cluster, folder, expected):
    with going(folder) as snakemake:
        job = training(folder, snakemake)
        node = node_of(job)
        daemon = psutil.Process(int((cluster / "run" / f"slurmd.{node}.pid").read_text()))
        daemon.kill()
        for process in processes_of(job):
            process.kill()
        control("update", f"NodeName={node}", "State=DOWN", "Reason=a test")
        try:
            finished(folder, snakemake, expected)
        finally:
            subprocess.run(["slurmd", "-N", node, "-f", cluster / "etc/slurm.conf"], check=True)
            wait("the node", lambda: state_of(node) == "idle", 60)  # it returns to service by itself
    assert resumed(folder) >= 1


def processes_of(job: str) -> list[psutil.Process]:
    """Return the processes of a job, those of Slurm that watch it among them."""
    found = []
    for process in psutil.process_iter():
        try:
            name = " ".join(process.cmdline())
            if process.environ().get("SLURM_JOB_ID") == job or f"slurmstepd: [{job}." in name:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_requeued_job_goes_on_from_its_checkpoint(cluster, folder, expected):
    with going(folder) as snakemake:
        job = training(folder, snakemake)
        control("requeue", job)
        wait("the job in the queue again", lambda: node_of(job) == "")
        control("update", f"JobId={job}", "StartTime=now")
        finished(folder, snakemake, expected)
    assert resumed(folder) == 1


def test_a_cancelled_job_is_tried_again(cluster, folder, expected):
    with going(folder) as snakemake:
        job = training(folder, snakemake)
        subprocess.run(["scancel", job], check=True)
        found = finished(folder, snakemake, expected)
    assert states(found, "pretrain") == ["CANCELLED", "COMPLETED"]
    assert resumed(folder) == 1


def test_a_job_that_hangs_is_ended_by_its_time_limit_and_tried_again(cluster, folder, expected):
    with going(folder) as snakemake:
        job = training(folder, snakemake)
        for process in processes_of(job):
            if "pretrain" in process.cmdline():
                process.suspend()
        control("update", f"JobId={job}", "TimeLimit=1")  # Slurm acts on it within about a minute
        found = finished(folder, snakemake, expected)
    assert states(found, "pretrain") == ["COMPLETED", "TIMEOUT"]
    assert resumed(folder) == 1


def test_a_job_out_of_memory_is_tried_again_with_more(cluster, folder, expected):
    asked = "pretrain:mem_mb=150 if attempt == 1 else 8000"
    with going(folder, "--set-resources", asked) as snakemake:
        found = finished(folder, snakemake, expected)
    assert states(found, "pretrain") == ["COMPLETED", "FAILED"]  # as Slurm 22.05 calls what its own watch has killed
    first = min((record.id for record in found if record.rule == "pretrain"), key=int)
    assert "exceeded memory limit" in log_of(folder, first)


def test_after_a_kill_of_snakemake_the_same_command_goes_on(cluster, folder, expected):
    with going(folder) as snakemake:
        training(folder, snakemake)
        for process in psutil.Process(snakemake.pid).children(recursive=True):
            process.kill()
        snakemake.wait(timeout=60)
    for job, _ in queued():
        subprocess.run(["scancel", job], check=True)
    wait("the end of the jobs", lambda: not queued())
    with going(folder) as snakemake:  # a lock is left: one clear error
        said = failed(folder, snakemake)
    assert "--unlock" in said
    subprocess.run([*PROGRAM, "--unlock"], cwd=folder, env=environment(), check=True, capture_output=True)
    with going(folder) as snakemake:
        finished(folder, snakemake, expected)
    assert resumed(folder) == 1


def test_a_full_disk_is_one_clear_error_and_the_same_command_goes_on(cluster, folder, expected):
    disk = folder / RESULTS / "models"
    disk.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting is refused here: {mounted.stderr.strip()}")
    try:
        log = folder / RESULTS / "logs" / "tiny" / "pretrain.log"
        with going(folder) as snakemake:  # which would try three times more
            wait("the error", lambda: log.is_file() and any(map(is_error, log.read_text().splitlines())))
            (told,) = filter(is_error, log.read_text().splitlines())
            assert "no disk space left" in told
            snakemake.send_signal(signal.SIGINT)
            snakemake.wait(timeout=120)
        wait("the end of the jobs", lambda: not queued(), 60)
        first = submitted((folder / "said").read_text())[0]
        assert log_of(folder, first).count("Trying to restart") == 0  # in the job itself; who submitted it may
        assert "Traceback" not in log.read_text()
        assert not list(disk.rglob("metrics.json"))
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        with going(folder) as snakemake:
            finished(folder, snakemake, expected)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_files_that_come_late_are_waited_for(cluster, folder, expected):
    with going(folder, "--latency-wait", "20", path=LATE) as snakemake:
        finished(folder, snakemake, expected)
    impatient = ("--latency-wait", "0", "--forcerun", "score_saturation", "--retries", "0")
    with going(folder, *impatient, path=LATE) as snakemake:
        (job,) = submitted(failed(folder, snakemake))
    assert "MissingOutputException" in log_of(folder, job)  # so they did come late


def test_a_second_user_of_one_folder_is_turned_away(cluster, folder, expected):
    with going(folder) as snakemake:
        training(folder, snakemake)
        second = subprocess.run(
            [sys.executable, "-m", "snakemake", *PROGRAM[1:], "--profile", "slurm", *WANTED],
            **{"cwd": folder, "env": environment(), "capture_output": True, "text": True, "timeout": 60},
        )
        assert second.returncode != 0
        assert "cannot be locked" in second.stderr
        finished(folder, snakemake, expected)
    assert resumed(folder) == 0


def test_a_corrupt_intermediate_is_named_and_made_again(cluster, folder, expected):
    with going(folder, "--until", "pretrain") as snakemake:
        snakemake.wait(timeout=270)
    weights = folder / f"{MODEL}/pretrain/model/model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with going(folder, "--retries", "0") as snakemake:
        failed(folder, snakemake)
    log = (folder / RESULTS / "logs" / "tiny" / "score" / "every.log").read_text()
    assert str(weights.relative_to(folder)) in log.splitlines()[-1]
    weights.unlink()
    with going(folder) as snakemake:
        finished(folder, snakemake, expected)


def test_after_ctrl_c_no_job_is_left_and_the_same_command_goes_on(cluster, folder, expected):
    with going(folder) as snakemake:
        job = training(folder, snakemake)
        snakemake.send_signal(signal.SIGINT)
        assert snakemake.wait(timeout=120) != 0
    wait("the end of the jobs", lambda: not queued(), 60)
    ended = records([job])[0].state.split()[0]  # a job that was about to end may do so
    with going(folder) as snakemake:
        finished(folder, snakemake, expected)
    assert (ended, resumed(folder)) in (("CANCELLED", 1), ("COMPLETED", 0))
