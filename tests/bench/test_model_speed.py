"""Speed of a model: what is compared with what, what a row holds, and the command's file."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from genomelm.bench import model_speed
from genomelm.bench.model_shapes import PARTS, SCALING, ratios, shapes
from genomelm.bench.model_speed import Shape, measure, measure_all, windows
from genomelm.cli import app
from genomelm.models.families import HyenaGLTConfig
from genomelm.seq.alphabet import BOS

CPU = torch.device("cpu")
SMALL = {
    "shell": {"local_width": 16, "local_heads": 2, "width": 32, "kmers": [2]},
    "backbone": {"layers": 2, "hidden": 32},
}
CONFIG = HyenaGLTConfig(**SMALL)
IDS = np.frombuffer(b"ACGT" * 64, np.uint8)


def test_each_part_has_what_it_compares_and_equal_bases_a_step() -> None:
    found = shapes(CONFIG, PARTS, (512, 2048), 4096, 8)
    assert [(s.part, s.batch, s.length) for s in found[:2]] == [("lengths", 8, 512), ("lengths", 2, 2048)]
    model, bare, single, peer = (found[i] for i in (0, 2, 4, 6))
    assert (model.config, model.mean_patch) == (CONFIG, 8)
    assert not any(bare.config.positions[name] for name in ("rotary", "distance", "length", "phase"))
    assert (single.config, single.mean_patch) == (CONFIG, 1)
    assert peer.config.backbone["layers"] == 2
    assert peer.config.backbone["longest"] > peer.length
    assert {s.batch * s.length for s in found if s.part != "scaling"} == {4096}
    scaling = [s for s in found if s.part == "scaling"]
    assert [s.length for s in scaling] == [*SCALING] * 3
    assert {s.mean_patch for s in scaling} == {1}
    assert scaling[0].config.backbone["window"] == 0
    assert scaling[-1].config.merge["where"] == "span"
    assert len({(s.name, s.batch) for s in scaling}) == 3
    assert [s.part for s in shapes(CONFIG, ("bytes",), (512,), 4096, 8)] == ["bytes"]
    assert shapes(CONFIG, ("lengths",), (4096,), 512, 8)[0].batch == 1


def test_windows_follow_each_other_and_start_again_where_the_sequence_ends() -> None:
    batch = windows(IDS[:100], Shape("lengths", "model", CONFIG, 2, 60, 7))
    assert batch.ids.shape == (2, 61)
    assert batch.ids[:, 0].tolist() == [BOS, BOS]
    assert batch.ids[1, 1:].tolist() == [*IDS[60:100].tolist(), *IDS[:20].tolist()]
    assert batch.starts[0].nonzero().flatten().tolist() == [0, *range(1, 61, 7)]


def test_a_measurement_holds_training_and_forward_beside_their_estimates() -> None:
    training, forward = measure(Shape("lengths", "model", CONFIG, 2, 64, 8), IDS, CPU, torch.float32, 5)
    for row, work in ((training, "training"), (forward, "forward")):
        assert (row["name"], row["part"], row["model"], row["batch"], row["length"]) == (
            work,
            "lengths",
            "model",
            2,
            64,
        )
        assert row["positions"] == 128
        assert row["timings"] == 5
        assert row["positions_per_s"] == pytest.approx(128 / row["median_s"])
        assert row["dtype"] == "float32"
        assert row["peak_bytes"] is None
    assert training["flops"] > 2 * forward["flops"] > 0
    assert training["estimate"]["peak_bytes"] > 12 * training["estimate"]["parameters"]
    assert "peak_bytes" not in forward["estimate"]


def test_training_changes_the_weights_and_the_forward_pass_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    models, calls = [], []
    make = model_speed.new_model
    monkeypatch.setattr(model_speed, "new_model", lambda config: models.append(make(config)) or models[-1])
    plain = model_speed.timed

    def watched(function, repeats):
        before = [p.detach().clone() for p in models[0].parameters()]
        found = plain(function, repeats)
        calls.append(any(not torch.equal(p, q) for p, q in zip(models[0].parameters(), before, strict=True)))
        return found

    monkeypatch.setattr(model_speed, "timed", watched)
    measure(Shape("lengths", "model", CONFIG, 1, 32, 8), IDS, CPU, torch.float32, 5)
    assert calls == [True, False]


def test_what_does_not_fit_is_a_row_and_the_next_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = model_speed.measure

    def full(shape, *arguments):
        if shape.length > 100:
            raise torch.OutOfMemoryError("full")
        return plain(shape, *arguments)

    monkeypatch.setattr(model_speed, "measure", full)
    plan = [Shape("lengths", "model", CONFIG, 1, length, 8) for length in (512, 32)]
    found = list(measure_all(plan, IDS, CPU, torch.float32, 5))
    assert [row.get("out_of_memory", False) for row in found] == [True, False, False]
    assert ratios(found) == {"training": {}, "forward": {}}


def test_ratios_are_those_of_medians_and_peaks() -> None:
    def row(part: str, model: str, length: int, seconds: float, peak: int) -> dict:
        facts = {"part": part, "model": model, "length": length, "name": "training"}
        return {**facts, "median_s": seconds, "peak_bytes": peak}

    found = ratios(
        [
            row("lengths", "model", 512, 2.0, 300),
            row("positions", "without positions", 512, 1.6, 200),
            row("bytes", "every base a patch", 256, 1.0, 100),
            row("scaling", "Hyena", 1024, 0.5, 1),
            row("scaling", "Hyena", 4096, 2.5, 1),
        ]
    )
    assert found["forward"] == {}
    assert found["training"] == {
        "positions": {"512": {"time": pytest.approx(1.25), "memory": pytest.approx(1.5)}},
        "scaling": {"Hyena": {"1024": 1.0, "4096": 5.0}},
    }


def test_the_command_writes_rows_ratios_and_the_machine(tmp_path: Path) -> None:
    file, out = tmp_path / "model.yaml", tmp_path / "out.json"
    file.write_text(json.dumps({"family": "hyena_glt", **SMALL}))
    options = ["--length", "64", "--bases", "128", "--dtype", "float32", "--device", "cpu", "--threads", "1"]
    parts = ["--part", "lengths", "--part", "positions", "-o", str(out)]
    done = CliRunner().invoke(app, ["bench", "model", str(file), *options, *parts])
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())
    assert found["kind"] == "model speed"
    assert [(row["part"], row["name"]) for row in found["rows"]] == [
        *(("lengths", "training"), ("lengths", "forward"), ("positions", "training"), ("positions", "forward")),
    ]
    assert set(found["ratios"]["training"]["positions"]) == {"64"}
    assert {"versions", "device", "sequence"} <= set(found["provenance"])
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--part", "speed"], "--part speed is unknown"), (["--dtype", "int8"], "--dtype int8 is unknown")],
)
def test_an_option_that_nothing_is_known_of_is_refused(tmp_path: Path, options: list[str], message: str) -> None:
    file = tmp_path / "model.yaml"
    file.write_text("family: hyena_glt\n")
    done = CliRunner().invoke(app, ["bench", "model", str(file), *options])
    assert done.exit_code == 2
    assert message in done.stderr


def test_another_family_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("family: gryphon\n")
    done = CliRunner().invoke(app, ["bench", "model", str(tmp_path / "model.yaml")])
    assert done.exit_code == 2
    assert "family gryphon; give a model file of Hyena-GLT" in done.stderr
