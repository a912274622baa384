"""Logs of training runs: read wherever they lie and as far as they are whole, and what was left out is said."""

import json
import math
import os

import pytest
from example_training import LAYERS, SPACES, reading, write_rows, write_training

from genomelm.errors import InputError, UsageError
from genomelm.report.training_logs import read_runs


def test_each_number_of_each_reading_is_kept(tmp_path):
    (run,) = read_runs([write_training(tmp_path / "pretrain", 5)])
    rows = [reading(number) for number in range(1, 6)]
    assert run.columns["lr"] == [row["lr"] for row in rows]
    assert run.layers[LAYERS[2]] == [row["gradient_norms"][LAYERS[2]] for row in rows]
    assert run.spaces[SPACES[1]]["pole_radius"] == [row["poles"][SPACES[1]]["pole_radius"] for row in rows]
    assert (run.finished, run.readings, run.notes) == (True, 5, [])
    assert list(run.columns)[:3] == ["step", "bases", "lr"]


def test_the_log_of_a_run_under_way_lies_in_its_state_folder(tmp_path):
    folder = write_training(tmp_path / "pretrain", 3, finished=False)
    assert not folder.exists()
    for given in (folder, tmp_path / "pretrain.state", f"{folder}/"):
        (run,) = read_runs([given])
        assert (run.name, run.finished, run.readings) == ("pretrain", False, 3)


def test_of_two_logs_the_newer_one_is_read_and_the_metrics_of_an_older_run_are_not(tmp_path):
    folder = write_training(tmp_path / "pretrain", 5)
    going = write_rows(folder, [reading(1)], finished=False)
    os.utime(going, (1, 1))
    (run,) = read_runs([folder])
    assert (run.finished, run.readings) == (True, 5)
    os.utime(folder / "log.jsonl", (0, 0))
    (run,) = read_runs([folder])
    assert (run.finished, run.readings, run.metrics.data) == (False, 1, None)
    assert "pretrain.state/log.jsonl is newer and was read" in run.notes[0]


@pytest.mark.parametrize("cut", [1, 9, 40, 900])
def test_a_log_whose_last_line_was_cut_off_is_read_up_to_it(tmp_path, cut):
    log = write_training(tmp_path / "pretrain", 4) / "log.jsonl"
    log.write_bytes(log.read_bytes()[: -1 - cut])
    (run,) = read_runs([tmp_path / "pretrain"])
    assert run.columns["step"] == [50, 100, 150]
    assert run.notes == ["the last line of log.jsonl (4) is not whole: the log was read up to it"]


def test_other_damaged_lines_are_left_out_by_number(tmp_path):
    log = write_training(tmp_path / "pretrain", 6) / "log.jsonl"
    lines = log.read_bytes().splitlines()
    lines[1], lines[3] = b'{"step": "many"}', b"\xff\xfe["
    log.write_bytes(b"\n".join(lines) + b"\n")
    (run,) = read_runs([tmp_path / "pretrain"])
    assert run.columns["step"] == [50, 150, 250, 300]
    assert run.notes == ["log.jsonl: line 2, 4 is not a reading: left out"]


def test_of_steps_that_come_again_the_later_readings_count(tmp_path):
    rows = [reading(1), reading(2), reading(3), {**reading(2), "lr": 9.0}]
    write_rows(tmp_path / "pretrain", rows)
    (run,) = read_runs([tmp_path / "pretrain"])
    assert (run.columns["step"], run.columns["lr"][-1]) == ([50, 100], 9.0)
    assert "2 readings of steps that come again" in run.notes[1]


def test_numbers_that_are_not_finite_and_other_values_are_blanks(tmp_path):
    rows = [
        {"step": 1, "lr": math.nan, "poles": 3, "gradient_norms": {"a": "x", "b": 2.0}, "memory": True},
        {"step": 2, "lr": 0.1, "poles": {"s": 1}, "note": "text"},
    ]
    write_rows(tmp_path / "pretrain", rows)
    (run,) = read_runs([tmp_path / "pretrain"])
    assert run.columns == {"step": [1, 2], "lr": [None, 0.1]}
    assert (run.layers, run.spaces) == ({"b": [2.0, None]}, {"s": {}})


def test_a_run_without_a_reading_yet_is_a_note(tmp_path):
    write_rows(tmp_path / "pretrain", [], finished=False)
    (run,) = read_runs([tmp_path / "pretrain"])
    assert (run.readings, run.notes) == (0, ["its log has no reading yet"])


def test_runs_are_named_by_as_much_of_their_paths_as_tells_them_apart(tmp_path):
    folders = [write_training(tmp_path / name, 1) for name in ("a/pretrain", "b/pretrain", "b/tuned")]
    assert [run.name for run in read_runs(folders)] == ["a/pretrain", "b/pretrain", "b/tuned"]
    assert [run.name for run in read_runs(folders[1:])] == ["pretrain", "tuned"]
    assert [run.letter for run in read_runs(folders)] == ["A", "B", "C"]
    with pytest.raises(UsageError, match="a/pretrain.state is given twice|a/pretrain is given twice"):
        read_runs([folders[0], f"{folders[0]}.state"])
    with pytest.raises(UsageError, match="27 runs are given: at most 26"):
        read_runs([folders[0]] * 27)


def test_a_folder_without_a_log_is_an_error_that_says_which_folder_is_meant(tmp_path):
    with pytest.raises(
        InputError, match="nothing has no log.jsonl, nor has .*nothing.state: give the folder"
    ) as caught:
        read_runs([tmp_path / "nothing"])
    assert caught.value.exit_code == 3


def test_a_finished_run_without_metrics_is_a_note(tmp_path):
    folder = write_training(tmp_path / "pretrain", 2)
    (folder / "metrics.json").write_text(json.dumps([1]))
    (run,) = read_runs([folder])
    assert run.notes == ["metrics.json is not a JSON object: settings and test figures are left out"]
