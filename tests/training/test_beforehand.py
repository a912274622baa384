"""Runs that could not begin, and those that are finished, are refused before their data is read."""

import json

import pytest

from genomelm.errors import UsageError
from genomelm.training.beforehand import check_beforehand
from genomelm.training.config import TrainConfig


def test_a_finished_run_is_kept_unless_it_is_to_be_overwritten(tmp_path):
    config, out = TrainConfig(steps=2), tmp_path / "run"
    check_beforehand(config, out, False)
    out.mkdir()
    check_beforehand(config, out, False)  # a folder without results, as a workflow leaves it
    (out / "metrics.json").write_text(json.dumps({"provenance": {"date": "2026-01-02"}}))
    with pytest.raises(UsageError, match="finished run of 2026-01-02.*--overwrite"):
        check_beforehand(config, out, False)
    check_beforehand(config, out, True)


def test_rows_that_cannot_be_shared_out_are_refused(tmp_path):
    with pytest.raises(UsageError, match="batch_size a multiple of 3"):
        check_beforehand(TrainConfig(steps=2, batch_size=8, accumulate=3), tmp_path / "run", False)


def test_settings_that_exclude_each_other_are_refused():
    with pytest.raises(UsageError, match="leave one out"):
        TrainConfig(steps=2, epochs=1)
    with pytest.raises(UsageError, match="lora_rank: 4.*tune: full"):
        TrainConfig(steps=2, lora_rank=4)
    assert TrainConfig(steps=2, tune="lora", lora_rank=4).lora_rank == 4
