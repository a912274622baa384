"""A run that is killed, signalled or out of time at 50 random moments ends as the run that was left alone."""

import contextlib
import dataclasses
import os
import shutil
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
from small_runs import QUICK, SETTINGS, numbers, run, same, weights

from genomelm import files
from genomelm.errors import Interrupted
from genomelm.training import checkpoint
from genomelm.training.learner import Learner
from genomelm.training.log_files import LogFiles
from genomelm.training.stop import StopRequest
from genomelm.training.windows import GenomeWindows

MOMENTS = 50
CONFIG = dataclasses.replace(
    QUICK, steps=24, evaluate_every=2, accumulate=2, ema=0.5, early_stopping=3, learning_rate=0.2, prefetch=2
)
"""At this rate readings get worse, and the run ends early."""
PLACES = [
    *((GenomeWindows, name) for name in ("random_batch", "batch")),
    *((Learner, name) for name in ("backward", "apply", "read_weights")),
    *((checkpoint, name) for name in ("save_file", "sha256", "write_json", "read_json", "load_file")),
    *((files.os, name) for name in ("rename", "replace", "fsync")),
    (shutil, "rmtree"),
    (LogFiles, "add"),
]
"""What a run calls all the time: data, steps, readings, and everything that checkpoints are written with."""
KILLED = -1
"""How a process ended that a signal killed: SIGKILL, or another one before the loop was there to take it."""


@contextlib.contextmanager
def struck(at: int, how: str):
    """Inside the block, the `at`-th call of any function in PLACES is met by a signal or finds the time spent."""
    calls = 0

    def met(original):
        def called(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == at and how == "budget":
                StopRequest.reason = property(lambda _: "the time budget is spent")
            elif calls == at:
                os.kill(os.getpid(), getattr(signal, how))
            return original(*arguments, **options)

        return called

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StopRequest, "reason", StopRequest.reason)
        for owner, name in PLACES:
            patched.setattr(owner, name, met(getattr(owner, name)))
        yield


def end_of(site, state: Path, at: int, how: str) -> int:
    """Go on with a run in a process of its own, which is struck; return how it ended: 0, 75 or KILLED."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking: the child has the threads that it starts
        child = os.fork()
    if child:
        return max(KILLED, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    code = 1
    try:
        with struck(at, how):
            run(site, state, CONFIG, SETTINGS["gryphon"])
        code = 0
    except Interrupted as error:
        code = error.exit_code
    finally:
        os._exit(code)


def test_a_run_struck_at_random_moments_ends_as_one_left_alone(site, tmp_path) -> None:
    whole, log = run(site, tmp_path / "whole", CONFIG, SETTINGS["gryphon"])
    assert [row["step"] for row in log] == [2, 4, 6, 8, 10, 12]
    random = np.random.default_rng(7)
    ends, at_work = {75: 0, KILLED: 0, 0: 0}, 0
    while ends[75] + ends[KILLED] < MOMENTS:
        state = tmp_path / f"struck{ends[0]}"
        how = ("SIGKILL", "SIGTERM", "SIGUSR1", "budget")[random.integers(4)]
        end = end_of(site, state, int(random.integers(1, 90)), how)
        ends[end] += 1
        at_work += any(state.glob(".step-*"))
        if end == 0 or ends[75] + ends[KILLED] == MOMENTS:
            model, found = run(site, state, CONFIG, SETTINGS["gryphon"])
            assert same(weights(model), weights(whole))
            assert numbers(found) == numbers(log)
    assert min(ends[75], ends[KILLED]) >= 10
    assert at_work >= 2  # killed while a checkpoint was written
