"""Windows that grow in equal shares of the steps, at as many bases a step."""

import dataclasses

import pytest
import torch
from small_runs import QUICK, SETTINGS, run, same, weights

from genomelm.errors import Interrupted, UsageError
from genomelm.settings import from_mapping
from genomelm.training.config import TrainConfig
from genomelm.training.curriculum import Stage, stage_at, stages_of
from genomelm.training.stop import StopRequest
from genomelm.training.windows import GenomeWindows

GROWING = dataclasses.replace(QUICK, batch_size=2, window=256, curriculum=(30, 128, 256))


@pytest.fixture
def drawn(monkeypatch) -> list[tuple[int, int, int]]:
    """Step, windows and bases of each batch that a run draws."""
    found, original = [], GenomeWindows.random_batch

    def noted(self, size, *counters, **options):
        batch = original(self, size, *counters, **options)
        found.append((counters[-1], *batch.ids.shape))
        return batch

    monkeypatch.setattr(GenomeWindows, "random_batch", noted)
    return found


def test_each_window_has_its_share_of_the_steps_and_every_step_as_many_bases(site, tmp_path, drawn) -> None:
    _, log = run(site, tmp_path / "state", GROWING, SETTINGS["gryphon"])  # blocks of 4 patches of 8 bases
    expected = [(16, 33)] * 4 + [(4, 129)] * 4 + [(2, 257)] * 4
    assert drawn == [(step, *shape) for step, shape in enumerate(expected)]
    assert [row["bases"] for row in log] == [4 * 512, 8 * 512, 12 * 512]


def test_windows_are_whole_blocks_and_at_most_a_step() -> None:
    config = TrainConfig(batch_size=4, window=4096, curriculum=(500, 1024, 4096))
    assert stages_of(config, 512) == [Stage(512, 32), Stage(1024, 16), Stage(4096, 4)]
    assert stages_of(config, 8) == [Stage(504, 32), Stage(1024, 16), Stage(4096, 4)]
    assert stages_of(TrainConfig(batch_size=3, window=100), 512) == [Stage(100, 3)]
    with pytest.raises(UsageError, match="window of 20480 bases .* batch_size 4 x window 4096"):
        stages_of(dataclasses.replace(config, curriculum=(20_000,)), 512)
    with pytest.raises(UsageError, match="window of 8 bases"):
        TrainConfig(curriculum=(1024, 8))
    assert from_mapping(TrainConfig, {"curriculum": [512, 1024]}).curriculum == (512, 1024)


def test_rows_of_a_later_stage_that_cannot_be_shared_are_told_at_the_start(site, tmp_path, drawn) -> None:
    with pytest.raises(UsageError, match="a step has 2 rows, which 4 parts"):
        run(site, tmp_path / "state", dataclasses.replace(GROWING, accumulate=4), SETTINGS["gryphon"])
    assert not drawn


def test_stages_have_equal_shares() -> None:
    for steps, stages in ((12, 3), (10, 3), (2, 5), (100, 1)):
        numbers = [stage_at(step, steps, stages) for step in range(steps)]
        assert numbers == sorted(numbers)
        counts = [numbers.count(stage) for stage in range(stages)]
        assert max(counts) - min(counts) <= 1
        assert sum(counts) == steps


@pytest.mark.parametrize("at", [3, 4, 9])
def test_a_resumed_run_ends_with_the_same_weights_bit_for_bit(site, tmp_path, monkeypatch, at) -> None:
    whole, _ = run(site, tmp_path / "whole", GROWING, SETTINGS["gryphon"])
    looks = []

    def reason(self) -> str | None:
        looks.append(self)
        return "asked" if len(looks) == at + 1 else None

    with monkeypatch.context() as patched:
        patched.setattr(StopRequest, "reason", property(reason))
        with pytest.raises(Interrupted, match=f"step {at} of 12"):
            run(site, tmp_path / "cut", GROWING, SETTINGS["gryphon"])
    resumed, log = run(site, tmp_path / "cut", GROWING, SETTINGS["gryphon"])
    assert same(weights(whole), weights(resumed))
    assert [row["resumes"] for row in log] == [int(row["step"] > at) for row in log]


@pytest.mark.parametrize("family", ["hyena_glt", "gryphon"])
def test_checkpointed_blocks_end_with_the_same_weights(site, tmp_path, family) -> None:
    plain, _ = run(site, tmp_path / "plain", settings=SETTINGS[family])
    config = dataclasses.replace(QUICK, gradient_checkpointing=True)
    saving, _ = run(site, tmp_path / "saving", config, SETTINGS[family])
    assert saving.is_gradient_checkpointing
    for name, value in weights(plain).items():
        torch.testing.assert_close(weights(saving)[name], value, rtol=1e-4, atol=1e-5, msg=name)
