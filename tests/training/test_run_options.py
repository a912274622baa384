"""What a training file can ask of the loop: micro-batches, bf16, averaged weights, early stopping, event files."""

import dataclasses
import json
import logging
import sys

import numpy as np
import pytest
import torch
from small_runs import CPU, QUICK, SETTINGS, numbers, run, same, settings_of, weights

from genomelm.errors import ResourceError, UsageError
from genomelm.models.encoding import make_batch
from genomelm.training import compiling
from genomelm.training.ahead import Part
from genomelm.training.average import Average
from genomelm.training.best import Best
from genomelm.training.config import KEEPING, TrainConfig
from genomelm.training.evaluation import window_bits
from genomelm.training.gradients import layer_norms, layer_of
from genomelm.training.learner import Learner
from genomelm.training.log_files import keep_events
from genomelm.training.parts import count_letters, count_targets, share
from genomelm.training.pretrain import READING_WINDOWS, new_model
from genomelm.training.stop import StopRequest
from genomelm.training.team import Team
from genomelm.training.windows import GenomeWindows, some_of

FOUR = dataclasses.replace(QUICK, batch_size=4)


def close(first, second, rtol, atol):
    for name, value in weights(first).items():
        torch.testing.assert_close(weights(second)[name], value, rtol=rtol, atol=atol, msg=name)


@pytest.mark.parametrize(("family", "objective"), [("hyena_glt", "causal"), ("gryphon", "masked")])
def test_micro_batches_give_the_gradient_of_the_whole_step(site, masked_site, tmp_path, family, objective) -> None:
    place, settings = site if objective == "causal" else masked_site, settings_of(family, objective)
    whole, log = run(place, tmp_path / "whole", FOUR, settings)
    for parts in (2, 4):
        cut, read = run(place, tmp_path / str(parts), dataclasses.replace(FOUR, accumulate=parts), settings)
        close(whole, cut, rtol=1e-4, atol=5e-5)  # Adam makes steps of 4e-3 of the smallest gradient
        for name in ("train_bits", "test_bits", "bases"):
            assert [row[name] for row in read] == pytest.approx([row[name] for row in log], abs=1e-5)


def test_parts_with_few_targets_weigh_little(site) -> None:
    """Parts with three targets and one: the gradient is that of the four together, not the mean of the parts'."""
    batch = GenomeWindows(site.genome, site.store, site.patcher, site.train, 64).random_batch(2, "x")
    labels = torch.full(batch.ids.shape, -100)
    labels[0, 5:8], labels[1, 40] = batch.ids[0, 5:8], batch.ids[1, 40]

    def gradient(rows):
        learner = Learner(new_model(SETTINGS["hyena_glt"], site.patcher, 1), QUICK, Team(CPU))
        parts = [
            Part.of(
                dataclasses.replace(batch, ids=batch.ids[r], mask=batch.mask[r], starts=batch.starts[r]),
                labels[r],
                count_targets,
            )
            for r in rows
        ]
        loss, _ = learner.backward(parts, 1, 0)
        return loss, torch.cat([p.grad.flatten() for p in learner.trained.parameters()])

    loss, together = gradient([slice(0, 2)])
    cut_loss, apart = gradient([slice(0, 1), slice(1, 2)])
    assert cut_loss == pytest.approx(loss, rel=1e-6)
    torch.testing.assert_close(apart, together, rtol=1e-4, atol=1e-7)


def test_rows_are_shared_out_evenly_or_not_at_all(site, tmp_path) -> None:
    assert [share(6, part, 3) for part in range(3)] == [slice(0, 2), slice(2, 4), slice(4, 6)]
    with pytest.raises(UsageError, match="a step has 2 rows, which 3 parts .* make batch_size a multiple of 3"):
        run(site, tmp_path / "state", dataclasses.replace(QUICK, accumulate=3))


def test_targets_are_what_a_loss_is_the_mean_over() -> None:
    batch = make_batch([np.arange(5)], [np.zeros(6, bool)])
    assert count_targets(batch, torch.tensor([[65, -100, 67]])) == 2
    assert count_targets(batch, torch.tensor([0.5, float("nan"), 1.0])) == 2
    assert count_targets(batch, torch.tensor([-100.0, float("nan"), -100.5])) == 2
    assert count_targets(batch, {"a": torch.zeros(3), "b": torch.tensor([[-100, 1]])}) == 4
    ids = torch.tensor([[65, 67, 78, 71, -100, 257]])  # A C N G, left out, a special id
    assert count_letters(batch, ids, "dna", 0) == 3
    assert count_letters(batch, ids, "dna", 1) == 2


@pytest.mark.parametrize("family", SETTINGS)
def test_bf16_keeps_float32_weights_and_learns_alike(site, tmp_path, family) -> None:
    exact, log = run(site, tmp_path / "exact", FOUR, SETTINGS[family])
    model, read = run(site, tmp_path / "bf16", dataclasses.replace(FOUR, precision="bf16"), SETTINGS[family])
    assert {value.dtype for value in weights(model).values()} == {torch.float32}
    assert not same(weights(exact), weights(model))
    assert read[-1]["test_bits"] == pytest.approx(log[-1]["test_bits"], abs=0.01)


def test_averaged_weights_are_read_and_saved_while_others_learn(site, tmp_path) -> None:
    plain, log = run(site, tmp_path / "plain", FOUR)
    averaged, read = run(site, tmp_path / "ema", dataclasses.replace(FOUR, ema=0.8))
    assert [row["train_bits"] for row in read] == [row["train_bits"] for row in log]  # what learns is the same
    assert read[-1]["test_bits"] != log[-1]["test_bits"]
    assert not same(weights(plain), weights(averaged))


def test_the_average_is_what_its_definition_says() -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    average, slow = Average(model, 0.3), model.weight.detach().clone()
    for step in range(6):
        with torch.no_grad():
            model.weight.add_(torch.randn(1, 2))
        average.update()
        decay = min(0.3, (1 + step) / (10 + step))
        slow = decay * slow + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(average.state()["weight"], slow)


def test_a_run_without_better_readings_ends_with_the_best_weights(site, tmp_path, caplog) -> None:
    """The rate is so high that readings get worse after the first ones."""
    wild = dataclasses.replace(
        FOUR, steps=40, evaluate_every=2, learning_rate=0.3, warmup=0.5, early_stopping=3, checkpoint_minutes=60.0
    )
    with caplog.at_level(logging.INFO):
        model, log = run(site, tmp_path / "state", wild)
    bits = [row["test_bits"] for row in log]
    best = bits.index(min(bits))
    assert len(log) == best + 4
    assert log[-1]["step"] < 40
    assert f"no better reading since step {log[best]['step']}" in caplog.text
    windows = GenomeWindows(site.genome, site.store, site.patcher, site.test, 64)
    found, counts = window_bits(model, windows, some_of(windows.tiles(), READING_WINDOWS), CPU)
    assert found.sum() / counts.sum() == pytest.approx(min(bits), abs=1e-9)


def test_a_better_reading_starts_the_count_anew() -> None:
    best = Best(2, ("r", 1))
    for step, value in enumerate([0.1, 0.3, 0.2, 0.4, float("nan"), 0.4]):
        assert not best.over
        best.take({"step": step, "r": value}, lambda step=step: {"w": torch.tensor(step)})
    assert best.over
    assert (best.value, best.step, best.weights["w"]) == (0.4, 3, 3)
    with pytest.raises(UsageError, match="early_stopping needs held-out readings"):
        Best(2, None).take({"step": 1}, dict)


def test_the_log_is_on_disk_while_a_run_lasts(site, tmp_path) -> None:
    seen = []

    def reason(_self):
        file = tmp_path / "state" / "log.jsonl"
        seen.append(len(file.read_text().splitlines()))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StopRequest, "reason", property(reason))
        _, log = run(site, tmp_path / "state")
    assert seen == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    written = [json.loads(line) for line in (tmp_path / "state" / "log.jsonl").read_text().splitlines()]
    assert written == log
    for row in log:
        assert {"bytes_per_second", "waited", "saving", "cores", "memory", "seconds", "gradient_norms"} <= row.keys()
        assert row["gradient_norms"].keys() >= {"shell.encoder.0", "shell.backbone.blocks.0", "head.out"}
        assert 0 <= row["waited"] <= 1


def test_norms_of_layers_add_up_to_the_norm_of_all(site) -> None:
    model = new_model(SETTINGS["gryphon"], site.patcher, 1)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    norms = layer_norms(model.named_parameters())
    whole = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
    assert sum(norm**2 for norm in norms.values()) ** 0.5 == pytest.approx(whole.item(), rel=1e-5)
    assert layer_of("shell.backbone.blocks.3.mixer.ssm.log_step") == "shell.backbone.blocks.3"
    assert layer_of("head.out.weight") == "head.out"
    assert layer_of("weight") == "weight"


@pytest.mark.parametrize("clip", [1e-3, 1e3])
def test_norms_of_layers_in_the_log_are_those_before_clipping(site, tmp_path, clip) -> None:
    _, log = run(site, tmp_path / "state", dataclasses.replace(QUICK, steps=2, evaluate_every=1, clip=clip))
    for row in log:
        together = sum(norm**2 for norm in row["gradient_norms"].values()) ** 0.5
        assert together == pytest.approx(row["gradient_norm"], rel=1e-3)


def test_the_first_process_s_readings_decide_when_a_run_ends(site, tmp_path, monkeypatch) -> None:
    def from_first(_self: Team, value: object) -> object:
        return value | {"test_bits": float(value["step"])} if isinstance(value, dict) else value

    monkeypatch.setattr(Team, "from_first", from_first)
    _, log = run(site, tmp_path / "state", dataclasses.replace(QUICK, early_stopping=1))
    assert [row["step"] for row in log] == [4, 8]


@pytest.mark.parametrize(
    "changed",
    [
        {"tune": "frozen"},
        {"tune": "lora", "lora_rank": 4},
        {"tune": "lora", "lora_alpha": 1.0},
        {"dropout": 0.1},
        {"epochs": 2.0, "steps": None},
        {"task_order": "draw"},
    ],
)
def test_settings_of_fine_tuning_are_refused_in_pretraining(site, tmp_path, changed) -> None:
    with pytest.raises(UsageError, match=": of fine-tuning, without effect in pretraining; leave out") as caught:
        run(site, tmp_path / "state", dataclasses.replace(QUICK, **changed))
    assert all(f"{name}: {value}" in str(caught.value) for name, value in changed.items() if value is not None)


def test_event_files_hold_the_readings(site, tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, log = run(site, tmp_path / "state", dataclasses.replace(QUICK, tensorboard=True))
    (tmp_path / "out").mkdir()
    keep_events(tmp_path / "state", tmp_path / "out")
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard")).Reload()
    found = [(event.step, event.value) for event in events.Scalars("test_bits")]
    assert found == [(row["step"], pytest.approx(row["test_bits"])) for row in log]
    assert "gradient_norms/shell.encoder.0" in events.Tags()["scalars"]


def test_event_files_need_their_package(site, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"genomelm\[tensorboard\]"):
        run(site, tmp_path / "state", dataclasses.replace(QUICK, tensorboard=True))


@pytest.mark.parametrize(("family", "whole"), [("hyena_glt", False), ("gryphon", True)])
def test_a_compiled_model_learns_the_same_weights_under_the_same_names(
    masked_site, tmp_path, monkeypatch, family, whole
) -> None:
    """Traced as for any backend, run by torch's own operators: no code is built."""
    compiled = []

    def traced(function, **options):
        compiled.append(function)
        return original(function, backend="eager", **options)

    original, settings = torch.compile, settings_of(family, "masked")
    short = dataclasses.replace(QUICK, steps=4)
    plain, log = run(masked_site, tmp_path / "plain", short, settings)
    monkeypatch.setattr(torch, "compile", traced)
    if whole:  # as on a GPU
        monkeypatch.setattr(compiling, "LAYERS_ONLY", ())
    model, read = run(masked_site, tmp_path / "compiled", dataclasses.replace(short, compile=True), settings)
    assert len(compiled) == (1 if whole else 2 + len(model.shell.backbone.blocks))
    assert weights(plain).keys() == weights(model).keys()
    close(plain, model, rtol=1e-4, atol=5e-5)
    assert numbers(read)[-1]["test_bits"] == pytest.approx(numbers(log)[-1]["test_bits"], abs=1e-5)
    assert not any("forward" in vars(module) for module in model.modules())


def test_compiling_needs_a_compiler(site, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ResourceError, match=r"compile: true needs a C\+\+ compiler"):
        run(site, tmp_path / "state", dataclasses.replace(QUICK, compile=True))


def test_too_little_memory_is_told_with_what_a_step_needs(site, tmp_path, monkeypatch) -> None:
    def full(*_arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Learner, "backward", full)
    with pytest.raises(ResourceError, match=r"2 rows of 65 bytes take about \d+\.\d GiB.*accumulate") as caught:
        run(site, tmp_path / "state")
    assert caught.value.exit_code == 5


def test_how_a_run_is_kept_and_watched_does_not_change_it(site, tmp_path) -> None:
    whole, log = run(site, tmp_path / "a")
    watched = dataclasses.replace(QUICK, prefetch=3, keep_checkpoints=5, checkpoint_minutes=0.0, tensorboard=True)
    model, read = run(site, tmp_path / "b", watched)
    assert same(weights(whole), weights(model))
    assert numbers(log) == numbers(read)
    assert len(list((tmp_path / "b").glob("step-*"))) == 5
    assert watched.facts() == QUICK.facts()
    assert set(KEEPING) <= {field.name for field in dataclasses.fields(TrainConfig)}
