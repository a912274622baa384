import shutil
from pathlib import Path

import pytest
from example_attribution import write_attribution
from example_models import write_models
from example_run import write_run


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory) -> Path:
    """The folder of a model with every kind of result; tests that change files take `run`."""
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def run(finished_run, tmp_path) -> Path:
    """A copy of the finished model's folder, with what lies beside it."""
    results = shutil.copytree(finished_run.parents[1], tmp_path / "run")
    return results / "models" / finished_run.name


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> list[Path]:
    """The folders of five models with their reports; tests that change files copy their results first."""
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def finished_attribution(tmp_path_factory) -> Path:
    """A folder of attributions of many regions; tests that change files take `attribution`."""
    return write_attribution(tmp_path_factory.mktemp("attribution") / "promoters")


@pytest.fixture
def attribution(finished_attribution, tmp_path) -> Path:
    """A copy of the finished folder."""
    return shutil.copytree(finished_attribution, tmp_path / "promoters")


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    with driver.sync_playwright() as running:
        started = running.chromium.launch(executable_path=program)
        yield started
        started.close()
