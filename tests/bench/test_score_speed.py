"""Both ways of scoring give the same numbers, and the benchmark says so, or stops."""

import json
from unittest.mock import ANY

import pytest
import yaml
from typer.testing import CliRunner

from genomelm.bench import score_speed as room
from genomelm.bench.score_speed import reference_score, score_speed
from genomelm.commands.bench import bench
from genomelm.commands.plan_rates import Load, Rate, Rates
from genomelm.errors import NumericalError, UsageError
from genomelm.scoring.scorer import scorer_for
from genomelm.seq.genome import Genome


@pytest.fixture(scope="module")
def genome(tiny_fasta):
    with Genome(tiny_fasta) as opened:
        yield opened


def test_the_two_ways_are_timed_at_equal_scores(language_model, masked_model, genome):
    for model, path in ((language_model, "shared state"), (masked_model, "one pass a hidden site")):
        found = score_speed(model, genome, 12, 7, 64, 3, 1)
        assert [row["name"] for row in found["rows"]] == ["fast", "plain", "whole run"]
        assert found["ratio"] == found["rows"][0]["positions_per_s"] / found["rows"][1]["positions_per_s"] > 0
        assert found["largest_difference"] < 1e-4 < found["deviation"]
        assert found["path"] == path


def test_it_stops_where_scores_differ_or_no_state_is_shared(language_model, task_models, genome, monkeypatch):
    with pytest.raises(UsageError, match="a language model is needed"):
        score_speed(task_models[0], genome, 12, 7, 64, 3, 1)
    monkeypatch.setattr(room, "reference_score", lambda *arguments: reference_score(*arguments) + 1e-3)
    with pytest.raises(NumericalError, match="differ by 0.001"):
        score_speed(language_model, genome, 12, 7, 64, 3, 1)
    monkeypatch.undo()

    def without_state(*arguments):
        scorer = scorer_for(*arguments)
        scorer.shared = False
        return scorer

    monkeypatch.setattr(room, "scorer_for", without_state)
    with pytest.raises(UsageError, match="full passes"):
        score_speed(language_model, genome, 12, 7, 64, 3, 1)


def test_a_model_file_is_measured_without_weights_or_genome_and_plan_takes_its_rate(tmp_path):
    file, out = tmp_path / "small.yaml", tmp_path / "score.json"
    shell = {"alphabet": "dna", "local_width": 16, "local_heads": 2, "width": 16, "kmers": [2]}
    file.write_text(yaml.safe_dump({"family": "hyena_glt", "shell": shell, "backbone": {"layers": 1, "hidden": 16}}))
    options = ["-n", "6", "--apart", "10", "--width", "64", "--plain", "2", "--repeats", "1", "--device", "cpu"]
    for objective in ("masked", "causal"):
        done = CliRunner().invoke(bench, ["score", "-m", str(file), "--objective", objective, "-o", str(out), *options])
        assert done.exit_code == 0, done.output
        assert "with reading and writing" in done.output
        found = json.loads(out.read_text())
        facts = found["provenance"]
        assert (facts["objective"], facts["model"], facts["file"]) == (objective, "random", "small")
    refused = CliRunner().invoke(bench, ["score", "-m", str(tmp_path), "--objective", "causal", "-o", str(out)])
    assert isinstance(refused.exception, UsageError)
    found["provenance"]["gpu"] = "Fast GPU"
    out.write_text(json.dumps(found))
    (speed,) = (row["positions_per_s"] for row in found["results"][0]["rows"] if row["name"] == "whole run")
    rates, load = Rates([out]), Load("small", "hyena_glt", "causal", 1.0, 1.0)
    assert rates.scoring(load, "fast", 10, 64) == Rate(speed, True, ANY)
    sparse = rates.scoring(load, "fast", 1e6, 64)
    assert sparse.per_s < speed
    assert not sparse.measured
