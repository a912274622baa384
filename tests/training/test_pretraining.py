"""Training runs: reproducible, resumable, and learning what is there."""

import dataclasses
import logging
import os
import signal

import pytest
import torch
from small_runs import CPU, QUICK, SETTINGS, numbers, run, same, settings_of, weights

from genomelm.errors import Interrupted, UsageError
from genomelm.seq.interval import Interval
from genomelm.training.checkpoint import newest_state, read_state, save_state
from genomelm.training.config import TrainConfig
from genomelm.training.learner import Learner
from genomelm.training.pretrain import new_model, pretrain
from genomelm.training.team import Team
from genomelm.training.windows import GenomeWindows


def test_a_run_is_a_function_of_its_settings(site, tmp_path):
    first, log = run(site, tmp_path / "a")
    second, _ = run(site, tmp_path / "b")
    other, _ = run(site, tmp_path / "c", dataclasses.replace(QUICK, seed=2))
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))
    assert [row["step"] for row in log] == [4, 8, 12]
    assert log[-1]["bases"] == 12 * 2 * 64


@pytest.fixture
def stop_at(monkeypatch):
    """Send a signal to this process while the batch of a step is made, once."""
    original = GenomeWindows.random_batch

    def arrange(at: int, number: int = signal.SIGTERM) -> None:
        calls = []

        def interrupted(self, *arguments, **options):
            calls.append(arguments)
            if len(calls) == at:
                os.kill(os.getpid(), number)
                monkeypatch.setattr(GenomeWindows, "random_batch", original)
            return original(self, *arguments, **options)

        monkeypatch.setattr(GenomeWindows, "random_batch", interrupted)

    return arrange


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("at", [1, 7])
def test_an_interrupted_run_ends_with_the_same_weights_bit_for_bit(site, tmp_path, stop_at, number, at):
    whole, log = run(site, tmp_path / "whole")
    seldom = dataclasses.replace(QUICK, checkpoint_minutes=60.0)
    stop_at(at, number)
    with pytest.raises(Interrupted, match=signal.Signals(number).name) as caught:
        run(site, tmp_path / "cut", seldom)
    assert caught.value.exit_code == 75
    resumed, resumed_log = run(site, tmp_path / "cut", seldom)
    assert same(weights(whole), weights(resumed))
    assert numbers(log) == numbers(resumed_log)


@pytest.mark.parametrize(
    ("family", "objective"),
    [("hyena_glt", "masked"), ("gryphon", "causal"), ("gryphon", "masked"), ("transformer", "causal")],
)
def test_other_models_are_resumed_as_exactly(site, masked_site, tmp_path, stop_at, family, objective):
    place, settings = site if objective == "causal" else masked_site, settings_of(family, objective)
    whole, log = run(place, tmp_path / "whole", settings=settings)
    stop_at(7)
    with pytest.raises(Interrupted, match="step 7"):
        run(place, tmp_path / "cut", settings=settings)
    resumed, resumed_log = run(place, tmp_path / "cut", settings=settings)
    assert same(weights(whole), weights(resumed))
    assert numbers(log) == numbers(resumed_log)
    other, _ = run(place, tmp_path / "other", dataclasses.replace(QUICK, seed=2), settings)
    assert not same(weights(whole), weights(other))


def test_the_hidden_share_is_the_training_files(masked_site, tmp_path):
    few, many = (
        run(
            *(masked_site, tmp_path / str(share), dataclasses.replace(QUICK, masked_share=share)),
            settings_of("hyena_glt", "masked"),
        )[0]
        for share in (0.1, 0.5)
    )
    assert not same(weights(few), weights(many))


def test_causal_models_learn_the_pieces_of_the_genome(causal):
    assert causal.log[-1]["test_bits"] < 1.0 < 2.0


def test_masked_models_learn_the_pieces_from_hidden_bases_alone(masked):
    assert masked.log[-1]["test_bits"] < 1.6 < 2.0
    assert masked.model.objective == "masked"


def test_entropy_patches_are_refused_for_a_masked_model(site, tmp_path):
    with pytest.raises(UsageError, match="patches of mode entropy"):
        run(site, tmp_path / "state", settings=settings_of("gryphon", "masked"))


def test_the_time_budget_stops_a_run_with_a_checkpoint(site, tmp_path):
    with pytest.raises(Interrupted, match="time budget"):
        run(site, tmp_path / "state", max_minutes=0.0)
    assert list((tmp_path / "state").glob("step-*"))


def test_a_broken_newest_checkpoint_gives_way_to_the_one_before(site, tmp_path, caplog):
    whole, _ = run(site, tmp_path / "state")
    kept = sorted((tmp_path / "state").glob("step-*"))
    assert len(kept) == 2  # bounded in number
    file = kept[-1] / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with caplog.at_level(logging.WARNING):
        again, _ = run(site, tmp_path / "state")
    assert "not whole" in caplog.text
    assert same(weights(whole), weights(again))


def test_a_checkpoint_of_other_settings_is_not_used(site, tmp_path, caplog):
    run(site, tmp_path / "state")
    with caplog.at_level(logging.WARNING):
        changed, _ = run(site, tmp_path / "state", dataclasses.replace(QUICK, learning_rate=1e-3))
    fresh, _ = run(site, tmp_path / "fresh", dataclasses.replace(QUICK, learning_rate=1e-3))
    assert "starts anew" in caplog.text
    assert same(weights(changed), weights(fresh))


def test_checkpoints_hold_the_optimizer_exactly(site, tmp_path):
    config, team = dataclasses.replace(QUICK, ema=0.9), Team(CPU)
    first, other = (Learner(new_model(SETTINGS["gryphon"], site.patcher, seed), config, team) for seed in (1, 2))
    for parameter in first.trained.parameters():
        parameter.grad = torch.randn_like(parameter)
    first.apply(1e-3)
    save_state(tmp_path, 1, first.tensors(), {"fingerprint": "x", **first.facts()}, keep=2)
    tensors, facts = read_state(newest_state(tmp_path, "x"))
    assert facts["step"] == 1
    other.load(tensors, facts)
    assert same(weights(first.trained), weights(other.trained))
    assert same(first.average.state(), other.average.state())
    mine, theirs = (learner.optimizer.state_dict()["state"] for learner in (first, other))
    assert mine.keys() == theirs.keys()
    for index in mine:
        assert all(torch.equal(mine[index][name], theirs[index][name]) for name in mine[index])
    assert newest_state(tmp_path, "y") is None


def test_a_stopped_run_is_not_crowded_out_by_another_run_s_checkpoints(site, tmp_path, stop_at):
    """Old checkpoints of other settings have later step numbers; the new run must still resume from its own."""
    run(site, tmp_path / "state")
    changed = dataclasses.replace(QUICK, learning_rate=1e-3)
    whole, _ = run(site, tmp_path / "whole", changed)
    stop_at(3)
    with pytest.raises(Interrupted, match="step 3"):
        run(site, tmp_path / "state", changed)
    resumed, _ = run(site, tmp_path / "state", changed)
    assert same(weights(whole), weights(resumed))


def test_pretraining_without_steps_is_refused(site, tmp_path):
    with pytest.raises(UsageError, match="'steps'"):
        run(site, tmp_path / "state", TrainConfig(window=64))


def test_a_model_of_another_alphabet_than_the_patches_is_refused(site, tmp_path):
    with pytest.raises(UsageError, match="the model reads rna, but .* holds patches of dna"):
        run(site, tmp_path / "state", settings=settings_of("gryphon", alphabet="rna"))


def test_held_out_regions_that_the_count_model_was_fitted_on_are_refused(site, tmp_path):
    with pytest.raises(UsageError, match="training region of the patches' scores"):
        pretrain(
            *(site.genome, site.patches, SETTINGS["gryphon"], QUICK, site.train, [Interval("c", 8000, 9500)]),
            *(tmp_path / "x", CPU),
        )
