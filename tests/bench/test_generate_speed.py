"""Speed of generation: what is compared, that a difference is found, and the command's file."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from genomelm.bench import generate_speed
from genomelm.bench.generate_speed import Plan, compare, lengthened, measure_all, table, variants
from genomelm.bench.model_speed import new_model
from genomelm.cli import app
from genomelm.models.families import CNNConfig, GryphonConfig, HyenaGLTConfig, TransformerConfig
from genomelm.models.generation import Rereading
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher

SHELL = {"local_width": 16, "local_heads": 2, "width": 32, "kmers": [2]}
CONFIG = HyenaGLTConfig(shell=SHELL, backbone={"layers": 1, "hidden": 32})
GRYPHON = GryphonConfig(
    shell=SHELL, backbone={"layers": 1, "hidden": 32, "state": 8, "heads": 2, "block": 4, "random_blocks": 1}
)
MERGED = HyenaGLTConfig(shell=SHELL, backbone={"layers": 1, "hidden": 32}, merge={"where": "each"})
PATCHER = Patcher(PatcherConfig("fixed_stride", stride=4))
PLAN = Plan(against=60, prompts=(20, 90), rows=(1, 3), letters=8, checked=12, repeats=3)
CPU = torch.device("cpu")


def model_of(config):
    model = new_model(config).eval()
    model.patcher = PATCHER
    return model


def test_a_model_whose_state_grows_is_joined_by_the_variant_whose_state_does_not() -> None:
    names = [name for name, _ in variants("tiny", CONFIG)]
    assert names == ["tiny", "tiny, modal"]
    assert variants("tiny", CONFIG)[1][1].backbone == {**CONFIG.backbone, "long": "modal"}
    assert variants("tiny", GRYPHON)[1][0] == "tiny, S5 alone"
    assert variants("tiny", GRYPHON)[1][1].backbone["bigbird_blocks_per_layer"] == 0
    modal = HyenaGLTConfig(shell=SHELL, backbone={"long": "modal"})
    for config in (modal, HyenaGLTConfig(backbone={"layout": "S"}), TransformerConfig(shell=SHELL), CNNConfig()):
        assert [name for name, _ in variants("tiny", config)] == ["tiny"]


@pytest.mark.parametrize("config", [CONFIG, GRYPHON], ids=["hyena_glt", "gryphon"])
def test_both_ways_are_timed_and_their_letters_compared(config) -> None:
    rows = list(measure_all([("it", config)], PATCHER, PLAN, CPU))
    assert [(row["part"], row["rows"], row["length"]) for row in rows] == [
        *(("recomputation", 1, 60), ("recomputation", 3, 60), ("prompt", 1, 20), ("prompt", 1, 90)),
    ]
    for row in rows[:2]:
        assert row["streamed"]
        assert row["equal"]
        assert row["checked"] == 12 * row["rows"]
        assert 0 <= row["largest_difference"] < 1e-4
        assert row["ratio"] == pytest.approx(row["whole_s"] / row["letter_s"])
        assert row["letters_per_s"] == pytest.approx(row["rows"] / row["letter_s"])
    assert rows[2]["ratio"] == 1
    assert rows[3]["ratio"] == pytest.approx(rows[3]["letter_s"] / rows[2]["letter_s"])
    assert rows[3]["state_bytes"] > rows[2]["state_bytes"] > 0
    assert not rows[3]["constant_state"]
    text = table(rows).splitlines()
    assert len(text) == 6
    assert len({line.count("|") for line in text}) == 1


def test_a_constant_state_stays_as_large() -> None:
    model = model_of(variants("", CONFIG)[1][1])
    with torch.inference_mode():
        found = [lengthened(model, PLAN, length) for length in (40, 400)]
    assert [row["constant_state"] for row in found] == [True, True]
    assert found[0]["state_bytes"] == found[1]["state_bytes"]


def test_letters_that_differ_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = Rereading.logits
    monkeypatch.setattr(Rereading, "logits", lambda self: logits(self) + torch.tensor([0.0, 0.0, 0.0, 9.0]))
    with torch.inference_mode():
        row = compare(model_of(CONFIG), PLAN, 1)
    assert not row["equal"]
    assert row["largest_difference"] > 8


def test_a_model_without_a_state_has_the_times_of_passes_alone() -> None:
    rows = list(measure_all([("merged", MERGED)], PATCHER, PLAN, CPU))
    assert [(row["part"], row["streamed"], row["ratio"]) for row in rows] == [("recomputation", False, 1.0)] * 2


def write(path: Path, config: dict) -> Path:
    path.write_text(json.dumps(config))
    return path


OPTIONS = ["--against", "40", "--prompt", "16", "--letters", "8", "--checked", "5", "--repeats", "3", "--device", "cpu"]


def test_the_command_writes_rows_and_the_machine(tmp_path: Path) -> None:
    file, out = tmp_path / "small.yaml", tmp_path / "out.json"
    write(file, {"family": "hyena_glt", "shell": SHELL, "backbone": {"layers": 1, "hidden": 32}})
    done = CliRunner().invoke(app, ["bench", "generate", str(file), *OPTIONS, "-o", str(out)])
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["kind"] == "generation speed"
    assert [(row["model"], row["part"]) for row in found["rows"]] == [
        (name, part) for name in ("small", "small, modal") for part in ("recomputation", "prompt")
    ]
    assert {"versions", "device"} <= set(found["provenance"])
    assert done.stdout.strip() == table(found["rows"])


def test_the_command_stops_where_letters_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "small.yaml", {"family": "hyena_glt", "shell": SHELL, "backbone": {"layers": 1}})
    checked = {"checked": 5, "equal": False, "largest_difference": 0.5}
    monkeypatch.setattr(generate_speed, "_checked", lambda *arguments: checked)
    done = CliRunner().invoke(app, ["bench", "generate", str(file), *OPTIONS])
    assert done.exit_code == 7
    assert "small: letters from a state differ from those of whole passes, by up to 5.0e-01 nats" in done.stderr


def test_masked_models_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "masked.yaml", {"family": "cnn", "shell": {"objective": "masked"}})
    done = CliRunner().invoke(app, ["bench", "generate", str(file)])
    assert done.exit_code == 2
    assert "a masked model has no next letter; give causal ones" in done.stderr
