"""After a killed Snakemake the lock goes and its orphaned jobs are stopped; nothing else is touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RECOVER = Path(__file__).parents[2] / "workflows" / "recover.py"
WAITING = "import time; print('up', flush=True); time.sleep(60)"


@pytest.fixture
def killed(tmp_path):
    """A working directory whose Snakemake was killed."""
    (tmp_path / "Snakefile").write_text("rule all:\n    input: []\n")
    (tmp_path / ".snakemake" / "locks").mkdir(parents=True)
    (tmp_path / ".snakemake" / "locks" / "0.output.lock").write_text("a.txt\n")
    return tmp_path


@pytest.fixture
def start(tmp_path):
    """Start a waiting program called `name` in the directory."""
    started = []

    def run(name, **variables):
        (tmp_path / name).write_text(WAITING)
        command = [sys.executable, str(tmp_path / name)]
        environment = {**os.environ, **variables}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE)
        process.stdout.readline()
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def recover(folder):
    return subprocess.run([sys.executable, RECOVER], cwd=folder, capture_output=True, text=True, timeout=50)


def test_a_stale_lock_is_removed_and_orphans_are_stopped(killed, start):
    orphan = start("genomelm", GENOMELM_WORKFLOW=str(killed))
    done = recover(killed)
    assert done.returncode == 0, done.stderr
    assert not list((killed / ".snakemake").glob("locks/*"))
    assert orphan.wait(timeout=5) == -15


def test_a_job_that_no_workflow_started_goes_on(killed, start):
    own = start("genomelm")
    assert recover(killed).returncode == 0
    assert own.poll() is None


def test_a_living_snakemake_keeps_its_lock(killed, start):
    start("snakemake")
    done = recover(killed)
    assert done.returncode == 1
    assert "running here already" in done.stderr
    assert list((killed / ".snakemake").glob("locks/*"))


def test_without_a_lock_nothing_happens(tmp_path):
    done = recover(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
