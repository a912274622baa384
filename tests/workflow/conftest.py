"""The small config, run whole on this machine: what other runs are compared with."""

from pathlib import Path

import pytest
from small_repository import run_here, small_repository


@pytest.fixture(scope="session")
def local_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root in which the small config was run."""
    folder = small_repository(tmp_path_factory.mktemp("local"))
    done = run_here(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
