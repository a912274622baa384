"""The benchmark of saturation mutagenesis holds maps against single passes, and says so where they differ."""

import json

import pytest
from typer.testing import CliRunner

from genomelm import cli
from genomelm.bench import ism_speed as room
from genomelm.bench.ism_speed import ism_speed
from genomelm.bench.speed_table import read_runs, table
from genomelm.interpret.mutants import saturated

SEQUENCE = "ACGTTGACANTATAATGCATCAGGTA"


def test_maps_equal_single_passes_of_every_kind_of_head(language_model, masked_model, task_models):
    paths = {language_model: "shared prefix", masked_model: "one pass a hidden base"}
    for model in (language_model, masked_model, *task_models):
        found = ism_speed(model, SEQUENCE, sample=9, repeats=1)
        assert found["mutants"] == 3 * (len(SEQUENCE) - 1)
        assert found["equal"]
        assert found["largest_difference"] <= 1e-5 < found["deviation"]
        assert found["ratio"] == found["every_s"] / found["map_s"] > 0
        assert found["path"] == paths.get(model, found["path"])


def test_a_map_that_is_wrong_at_one_mutant_is_seen(masked_model, monkeypatch):
    def wrong(*arguments):
        maps = saturated(*arguments)
        maps[0][0, 1] += 1e-3  # the first mutant, which every sample holds
        return maps

    monkeypatch.setattr(room, "saturated", wrong)
    found = ism_speed(masked_model, SEQUENCE, sample=2, repeats=1)
    assert not found["equal"]
    assert found["largest_difference"] == pytest.approx(1e-3, rel=0.1)


MODEL = """family: cnn
shell: {objective: masked, local_width: 32}
backbone: {taps: [5, 3]}
"""


def bench(tmp_path, *more):
    (tmp_path / "small.yaml").write_text(MODEL)
    out = tmp_path / "ism.json"
    arguments = [tmp_path / "small.yaml", "--length", 20, "--sample", 3, "--repeats", 1, "--device", "cpu", "-o", out]
    return CliRunner().invoke(cli.app, ["-q", "bench", "ism", *map(str, [*arguments, *more])]), out


def test_the_command_times_both_heads_of_a_model_file_and_the_table_shows_them(tmp_path):
    result, out = bench(tmp_path)
    assert result.exit_code == 0, result.output
    rows = json.loads(out.read_text())["rows"]
    assert [row["head"] for row in rows] == ["masked_lm", "regression"]
    text = table(read_runs([out]))
    assert "| small, masked_lm | cpu | 20 (60) | one pass a hidden base |" in text
    assert "| small, regression | cpu | 20 (60) | batches |" in text


def test_effects_that_differ_end_the_run_with_the_file_written(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "TOLERANCE", -1.0)
    result, out = bench(tmp_path, "--head", "regression")
    assert result.exit_code == 7
    assert "differ from those of single passes" in result.output
    assert [row["equal"] for row in json.loads(out.read_text())["rows"]] == [False]


def test_an_unknown_head_is_refused(tmp_path):
    result, out = bench(tmp_path, "--head", "tokens")
    assert result.exit_code == 2
    assert "--head tokens is unknown" in result.output
    assert not out.exists()
