"""`genomelm report --training`: the page of a run that was really trained, and the options that it refuses."""

import json
import shutil

import pytest
import torch
import typer
from example_training import reading, write_training
from typer.testing import CliRunner

from genomelm.commands.report import report
from genomelm.errors import UsageError
from genomelm.models.config import GryphonBackboneConfig, GryphonSettings, ShellConfig
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.patching.store import write_store
from genomelm.seq.alphabet import encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.training.config import TrainConfig
from genomelm.training.log_files import totals, write_log
from genomelm.training.pretrain import pretrain


def call(*arguments):
    app = typer.Typer()
    app.command()(report)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of a model with state spaces."""
    place = tmp_path_factory.mktemp("trained")
    bases = "ACGTTGCAACCTGATC" * 40
    (place / "g.fa").write_text(f">c\n{bases}\n")
    patcher = Patcher(PatcherConfig("fixed_stride", stride=4))
    patcher.save(place / "patches/patcher")
    ids = encode(bases)
    write_store(place / "patches/store", patcher, {"c": len(ids)}, lambda _contig, start, end: ids[start:end])
    shell = ShellConfig(
        local_width=8, local_heads=2, local_taps=3, encoder_layers=1, decoder_layers=1, kmers=(2,), width=8
    )
    backbone = GryphonBackboneConfig(
        layers=1, state=4, heads=2, block=4, window=2, global_blocks=1, random_blocks=1, hidden=8
    )
    config = TrainConfig(steps=6, batch_size=2, window=64, evaluate_every=2, checkpoint_minutes=0.0, prefetch=0)
    regions = ([Interval("c", 0, 400)], [Interval("c", 400, 600)])
    _, log = pretrain(
        Genome(place / "g.fa"),
        place / "patches",
        GryphonSettings(shell=shell, backbone=backbone),
        config,
        *regions,
        place / "run.state",
        torch.device("cpu"),
    )
    shutil.rmtree(place / "run.state")
    write_log(place / "run/log.jsonl", log)
    (place / "run/metrics.json").write_text(json.dumps({"family": "gryphon", **totals(log), "parameters": 1}))
    return place / "run"


def test_no_chart_of_a_run_that_was_trained_by_this_version_is_left_out(trained, tmp_path):
    result = call(trained, "--training", "-o", tmp_path / "a/training.html", "--title", "<b>")
    assert result.exit_code == 0, result.output
    assert "run at step 6" in result.output
    made = json.loads((tmp_path / "a/training.json").read_text())
    assert [chart["name"] for chart in made["charts"] if chart["left_out"]] == []
    assert made["runs"][0]["notes"] == []
    log = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    for key in ("bytes_per_second", "memory", "train_bits", "test_bits", "skipped", "resumes"):
        assert made["runs"][0]["columns"][key] == [row[key] for row in log]
    assert made["runs"][0]["poles"].keys() == log[0]["poles"].keys() != set()
    assert made["runs"][0]["gradient_norms"].keys() == log[0]["gradient_norms"].keys() != set()
    assert "&lt;b&gt;" in (tmp_path / "a/training.html").read_text()


def test_finished_and_running_runs_stand_on_one_page(tmp_path):
    first, second = write_training(tmp_path / "a", 3), write_training(tmp_path / "b", 2, finished=False)
    result = call("--training", first, second, "-o", tmp_path / "t.html", "--json", tmp_path / "numbers.json")
    assert result.exit_code == 0, result.output
    assert result.output.strip().endswith(f"a at step {reading(3)['step']}, b at step {reading(2)['step']}")
    assert sorted(path.name for path in tmp_path.glob("*.*") if path.is_file()) == ["numbers.json", "t.html"]


def test_options_of_other_pages_are_refused(tmp_path):
    folder = write_training(tmp_path / "run", 2)
    options = ("--compare", "--summary", tmp_path, "--readme", tmp_path / "r.md", "--top", 3, "--expect", "x")
    with pytest.raises(
        UsageError, match="--expect, --compare, --summary, --readme, --top: not of the page of training"
    ):
        raise call(folder, "--training", "-o", tmp_path / "t.html", *options).exception
    assert not (tmp_path / "t.html").exists()
