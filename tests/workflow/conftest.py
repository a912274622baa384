"""The small config, run whole on this machine: what other runs are compared with; and a private Slurm."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_runs import CLUSTER
from small_repository import run_here, small_repository


@pytest.fixture(scope="session")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root in which the small config was run."""
    folder = small_repository(tmp_path_factory.mktemp("local"))
    done = run_here(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A private Slurm of two nodes with two pretend GPUs each."""
    folder = tmp_path_factory.mktemp("slurm") / "cluster"
    try:
        started = subprocess.run([*CLUSTER, "start", folder], capture_output=True, text=True, timeout=120)
        assert started.returncode == 0, started.stderr
        yield folder
    finally:
        subprocess.run([*CLUSTER, "stop", folder], timeout=120)
