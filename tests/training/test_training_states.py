"""Checkpoints on disk: how often, how many, and what is made of those that are not whole."""

import logging

import pytest
import torch

from genomelm.training import checkpoint
from genomelm.training.checkpoint import Schedule, newest_state, read_state, save_state


def saved(folder, *steps, fingerprint="x", keep=9):
    for step in steps:
        tensors = {"model": {"w": torch.full((3,), float(step))}}
        save_state(folder, step, tensors, {"fingerprint": fingerprint}, keep)


def test_the_newest_whole_one_is_read_and_others_are_removed(tmp_path, caplog) -> None:
    tmp_path = tmp_path / "run.state"
    saved(tmp_path, 1, 2, 3)
    saved(tmp_path, 7, fingerprint="y")
    broken = tmp_path / "step-00000003" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1])
    (tmp_path / "step-00000004").mkdir()  # a removal that was cut short
    (tmp_path / ".step-00000005.abc.tmp").mkdir()
    with caplog.at_level(logging.WARNING):
        newest = newest_state(tmp_path, "x")
    assert newest.name == "step-00000002"
    tensors, facts = read_state(newest)
    assert torch.equal(tensors["model"]["w"], torch.full((3,), 2.0))
    assert (facts["step"], facts["fingerprint"]) == (2, "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001", "step-00000002"]
    assert caplog.text.count("is not whole") == 2
    assert "step-00000007 belongs to other settings or data" in caplog.text
    assert (tmp_path.with_name("run.state-y") / "step-00000007" / "state.json").is_file()  # days of work, perhaps
    assert newest_state(tmp_path / "nothing", "x") is None


def test_only_so_many_are_kept(tmp_path) -> None:
    saved(tmp_path, 1, 2, 3, 4, 5, keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-{n:08d}" for n in (3, 4, 5)]


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    return now


def test_one_is_due_after_so_many_minutes_and_once_a_step(clock) -> None:
    schedule = Schedule(2.0, 10)
    clock[0] += 119
    assert not schedule.due(11)
    clock[0] += 2
    assert schedule.due(11)
    assert not schedule.due(10)  # this one is there
    schedule.saved(11, 0.5)
    assert not schedule.due(12)


def test_writing_takes_at_most_its_share_of_the_time(clock) -> None:
    schedule, started = Schedule(0.01, 0), clock[0]
    for step in range(1, 20_000):
        clock[0] += 0.1
        if schedule.due(step):
            clock[0] += 3.0
            schedule.saved(step, 3.0)
    assert schedule.spent > 10
    assert schedule.spent <= 0.02 * (clock[0] - started) + 3.0


def test_without_minutes_each_step_is_due(clock) -> None:
    schedule = Schedule(0.0, 0)
    for step in range(1, 5):
        clock[0] += 1e-6
        assert schedule.due(step)
        clock[0] += 10
        schedule.saved(step, 10)
