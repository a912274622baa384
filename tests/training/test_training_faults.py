"""Numbers that are not finite: a batch is skipped, a run goes back once, and then ends."""

import logging
import os
import signal

import pytest
import torch
from small_runs import run, same, weights

from genomelm.errors import Interrupted, NumericalError
from genomelm.training import loop
from genomelm.training.learner import Learner
from genomelm.training.pretrain import new_model
from genomelm.training.windows import GenomeWindows


def test_losses_that_are_not_finite_end_the_run_after_a_few(site, tmp_path, monkeypatch):
    def broken(settings, patcher, seed):
        model = new_model(settings, patcher, seed)
        with torch.no_grad():
            model.head.out.bias.fill_(float("nan"))
        return model

    monkeypatch.setattr("genomelm.training.pretrain.new_model", broken)
    with pytest.raises(NumericalError, match=f"{loop.MOST_SKIPPED} steps in a row") as caught:
        run(site, tmp_path / "state")
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("often", [1, 5])
def test_a_gradient_that_is_not_finite_never_reaches_the_weights(site, tmp_path, monkeypatch, caplog, often):
    """One bad batch is skipped; several in a row send the run back once and then end it."""
    original, calls = GenomeWindows.random_batch, []
    broken = range(6, 6 + often)

    def counted(self, *arguments, **options):
        calls.append(arguments)
        return original(self, *arguments, **options)

    clip = torch.nn.utils.clip_grad_norm_

    def clipped(parameters, limit):
        parameters = list(parameters)
        if calls[-1][-1] in broken:
            parameters[0].grad.fill_(float("inf"))
        return clip(parameters, limit)

    monkeypatch.setattr(GenomeWindows, "random_batch", counted)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", clipped)
    if often == 1:
        model, log = run(site, tmp_path / "state")
        assert [row["skipped"] for row in log] == [0, 1, 0]
        assert all(torch.isfinite(value).all() for value in weights(model).values())
        return
    with caplog.at_level(logging.WARNING), pytest.raises(NumericalError, match="step 8"):
        run(site, tmp_path / "state")
    assert "going back to the checkpoint of step 6, once" in caplog.text


@pytest.mark.parametrize("asked", [True, False])
def test_a_step_that_fails_when_the_run_was_asked_to_stop_is_made_again_later(site, tmp_path, monkeypatch, asked):
    """As one whose compiler the signal ended too; without a signal the error is told."""
    whole, _ = run(site, tmp_path / "whole")
    original, calls = Learner.backward, []

    def failing(self, *arguments):
        calls.append(arguments)
        if len(calls) == 4:
            if asked:
                os.kill(os.getpid(), signal.SIGUSR1)
            original(self, *arguments)
            raise RuntimeError("the compiler was killed")
        return original(self, *arguments)

    monkeypatch.setattr(Learner, "backward", failing)
    with pytest.raises(Interrupted if asked else RuntimeError, match="step 3 of 12" if asked else "compiler"):
        run(site, tmp_path / "state")
    model, log = run(site, tmp_path / "state")
    assert log[-1]["step"] == 12
    assert same(weights(model), weights(whole))
