import planted_run
import pytest


@pytest.fixture(scope="session")
def planted_models(tmp_path_factory) -> planted_run.Models:
    return planted_run.train(tmp_path_factory.mktemp("planted"))
