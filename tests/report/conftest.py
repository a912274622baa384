from pathlib import Path

import pytest
from example_run import write_run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """A complete run; tests that change files copy it first."""
    root = tmp_path_factory.mktemp("run")
    write_run(root)
    return root
