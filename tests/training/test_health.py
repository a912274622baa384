"""State spaces and gradients that break end a run, by name."""

import dataclasses
import functools
import math

import pytest
import torch
from small_runs import QUICK, SETTINGS, run, settings_of

from genomelm.errors import NumericalError
from genomelm.nn.s5 import space
from genomelm.training import health
from genomelm.training.loop import Run
from genomelm.training.pretrain import new_model

GRYPHON = SETTINGS["gryphon"]
LONG = dataclasses.replace(QUICK, steps=30)


@pytest.fixture
def broken(monkeypatch):
    """Let runs begin with weights that a function has changed; it gets the state space of block 0."""

    def arrange(change) -> None:
        def changed(settings, patcher, seed):
            model = new_model(settings, patcher, seed)
            with torch.no_grad():
                change(model.shell.backbone.blocks[0].mixer.ssm)
            return model

        monkeypatch.setattr("genomelm.training.pretrain.new_model", changed)

    return arrange


def no_decay(ssm) -> None:
    ssm.log_decay[1] = -1000.0


def no_number(ssm) -> None:
    ssm.frequency[0] = math.nan


def far_too_large(ssm) -> None:
    ssm.into.fill_(3e38)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (no_decay, "pole radius is 1; its states do not fade: lower ssm_rate"),
        (no_number, "pole radius is nan"),
        (far_too_large, "norm of the state is (inf|nan); lower learning_rate or ssm_rate"),
    ],
)
def test_a_state_space_that_breaks_ends_the_run_by_name(site, tmp_path, broken, change, words) -> None:
    broken(change)
    with pytest.raises(NumericalError, match=rf"step \d+: .*\.blocks\.0\.mixer\.ssm: the {words}") as caught:
        run(site, tmp_path / "state", LONG, GRYPHON)
    assert caught.value.exit_code == 7


def test_a_turn_of_pi_ends_the_run_by_name(site, tmp_path, monkeypatch, broken) -> None:
    """No step turns so far by itself: the bound is taken away."""
    broken(lambda ssm: ssm.log_step.fill_(2.0))
    monkeypatch.setattr(space, "LARGEST_TURN", 1e3)
    monkeypatch.setattr(space, "LONGEST_STEP", 10.0)
    with pytest.raises(NumericalError, match=r"blocks\.0\.mixer\.ssm: the turn of a step is .*lower ssm_rate"):
        run(site, tmp_path / "state", LONG, GRYPHON)


@pytest.mark.parametrize("family", ["gryphon", "hyena_glt"])
def test_large_gradients_in_a_row_end_the_run(site, tmp_path, monkeypatch, family) -> None:
    monkeypatch.setattr("genomelm.training.pretrain.Run", functools.partial(Run, most_alarms=7))
    config = dataclasses.replace(QUICK, clip=1e-4)
    with pytest.raises(NumericalError, match=r"step 6: .*above 0\.0005 \(5 times the clip\) in 7 steps in a row"):
        run(site, tmp_path / "state", config, SETTINGS[family])


def test_alarms_start_anew_after_a_small_gradient() -> None:
    watched = health.Health(torch.nn.Linear(2, 2), clip=1.0, most_alarms=3)
    for step, norm in enumerate([5.1, 9.0, 5.0, 5.1, 5.1]):
        assert watched.after_step(step, norm) == (norm > 5)
    with pytest.raises(NumericalError, match="gradient's norm is 6"):
        watched.after_step(5, 6.0)
    counted = health.Health(torch.nn.Linear(2, 2), clip=1.0, most_alarms=None)
    assert all(counted.after_step(step, 100.0) for step in range(500))


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_a_sound_run_logs_norms_and_ends(site, masked_site, tmp_path, objective) -> None:
    place = site if objective == "causal" else masked_site
    model, log = run(place, tmp_path / "state", LONG, settings_of("gryphon", objective))
    for row in log:
        assert row["gradient_norm"] > 0
        assert row["gradient_alarms"] == 0
        assert 0 < row["state_norm"] < 100
        assert row["pole_radius"] < 1
    assert not model.shell.backbone.blocks[0].mixer.ssm._forward_hooks
    _, log = run(site, tmp_path / "other", LONG)
    assert "state_norm" not in log[0]


def test_the_state_norm_is_that_of_the_last_rows() -> None:
    torch.manual_seed(0)
    module = space.StateSpace(4, 8, 64, False)
    with health.Health(module, 1.0, None) as watched:
        _, state = module(torch.randn(2, 30, 4))
        assert watched.state_norm() == pytest.approx(state.square().mean().sqrt().item())
        watched.check(0)
