"""The benchmark of `signal`: what is planted, which runs have nothing to find, and what is counted."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genomelm import cli
from genomelm.bench import signal_rates as room
from genomelm.bench.signal_data import WORDS, examples_of, planted, regions
from genomelm.bench.signal_rates import SignalConfig, pooled
from genomelm.models.config import read_model_file
from genomelm.seq.alphabet import reverse_complement
from genomelm.settings import read_config

ROOT = Path(__file__).parents[2]


def effects_in(sequence):
    return sum(effect for word, effect in WORDS if word in sequence or reverse_complement(word) in sequence)


def held(sequence):
    return any(word in sequence or reverse_complement(word) in sequence for word, _ in WORDS)


def test_planted_words_stand_in_sequences_and_add_up_to_their_labels():
    for number in range(30):
        sequence, label = planted(60, 5, number)
        assert len(sequence) == 60
        assert held(sequence)
        assert effects_in(sequence) == label
        assert planted(60, 5, number) == (sequence, label)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_as_many_regions_hold_words_as_asked_in_random_order(share):
    found = [held(sequence) for sequence in regions(40, 60, share, 1)]
    assert sum(found) == 40 * share
    assert share != 0.25 or not all(found[:10])


def test_shuffled_labels_are_those_of_training_alone():
    real, shuffled = (examples_of(200, 40, 3.0, 1, shuffled=way) for way in (False, True))
    assert real.sequences == shuffled.sequences
    kept = real.splits != "train"
    assert (real.labels[kept] == shuffled.labels[kept]).all()
    assert sorted(real.labels) == sorted(shuffled.labels)
    known = np.array([effects_in(sequence) for sequence in real.sequences])
    assert np.corrcoef(known[~kept], real.labels[~kept])[0, 1] > 0.8
    assert abs(np.corrcoef(known[~kept], shuffled.labels[~kept])[0, 1]) < 0.2


SMALL = """families: [MODEL]
model: MODEL
examples: 60
length: 32
regions: 8
null_regions: 8
null_models: 3
draws: 5
shuffled: 1
sets: 1
strengths: [2.0]
shares: [0.5]
train: {steps: 3, batch_size: 8}
"""
MODEL = """family: cnn
shell: {objective: masked, local_width: 8}
backbone: {taps: [7]}
"""


def bench(tmp_path, text=SMALL):
    (tmp_path / "model.yaml").write_text(MODEL)
    (tmp_path / "bench.yaml").write_text(text.replace("MODEL", str(tmp_path / "model.yaml")))
    out = tmp_path / "rates.json"
    arguments = ["-q", "bench", "signal", "--config", tmp_path / "bench.yaml", "-o", out, "--device", "cpu"]
    return CliRunner().invoke(cli.app, [*map(str, arguments), "--threads", "1"]), out


def test_the_command_counts_runs_of_each_situation_and_pools_those_without_anything_to_find(tmp_path, monkeypatch):
    judged = room.signal
    seen = []

    def spied(real, shuffled, nulls):
        found = judged(real, shuffled, nulls)
        assert found["n"] == 8
        assert len(nulls) == 3
        seen.append(found["p"])
        return found

    monkeypatch.setattr(room, "signal", spied)
    result, out = bench(tmp_path)
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert [(row["situation"], row["models"], row["null"], row["runs"]) for row in found["rows"]] == [
        ("random weights of genomelm_cnn", 1, True, 5),
        ("random weights of genomelm_cnn", 2, True, 5),
        ("trained on shuffled labels", 1, True, 1),
        ("words of 2 deviations, shuffles of regions", 1, True, 1),
        ("words of 2 deviations, shuffles of regions", 2, True, 1),
        ("words of 2 deviations, 50% of the regions hold words", 1, False, 1),
        ("words of 2 deviations, 50% of the regions hold words", 2, False, 1),
    ]
    assert sorted(p for row in found["rows"] for p in row["p"]) == sorted(seen)
    assert found["nothing_to_find"]["runs"] == 13


def test_a_rate_counts_what_lies_under_the_level_where_there_is_nothing():
    rows = [
        {"null": True, "p": [0.001, 0.5, 0.02, 1.0]},
        {"null": False, "p": [0.001] * 10},
    ]
    found = pooled(rows)
    assert (found["runs"], found["distinguishable"], found["rate"]) == (4, 1, 0.25)
    assert found["low"] < 0.25 < found["high"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("draws: 5", "draws: 4", "draws is 4"), ("null_regions: 8", "null_regions: 9", "a run has 8 regions")],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path, old, new, message):
    result, out = bench(tmp_path, SMALL.replace(old, new))
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not out.exists()


def test_the_settings_of_the_repository_name_models():
    config = read_config(SignalConfig, ROOT / "configs/bench/signal.yaml")
    families = [read_model_file(ROOT / file).family for file in config.families]
    assert families == ["cnn", "hyena_glt", "gryphon"]
    assert config.model in config.families
