"""The training loop: one for language models and task heads, for one process and for many."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch
from torch import nn

from genomelm.errors import Interrupted, NumericalError
from genomelm.models.encoding import Batch
from genomelm.models.model import GenomeModel
from genomelm.nn.s5 import monitor
from genomelm.training.ahead import Ahead, Labels, Part
from genomelm.training.best import Best
from genomelm.training.checkpoint import Schedule, newest_state, read_state, save_state
from genomelm.training.config import TrainConfig
from genomelm.training.gradients import layer_norms
from genomelm.training.health import Health
from genomelm.training.learner import Learner
from genomelm.training.log_files import LogFiles
from genomelm.training.memory import told_of_memory
from genomelm.training.optimizer import rate_at
from genomelm.training.parts import count_targets
from genomelm.training.progress import START, Display, Progress
from genomelm.training.stop import StopRequest
from genomelm.training.team import Team

log = logging.getLogger(__name__)

MOST_SKIPPED = 3
"""Steps in a row whose loss or gradient is not finite: then the run goes back once, and ends the next time."""
MOST_ALARMS = 100
"""Large gradients in a row that end the run of a language model."""


@dataclass(frozen=True)
class Run:
    """Everything that decides what a run does.

    Attributes:
        config: the training file.
        steps: optimizer steps in all.
        seed: of dropout and, through `batch_at`, of the data order.
        batch_at: (step, part, parts) -> (batch, labels): the contiguous share `part` of `parts` of the step's rows
            (training/parts.py); a pure function, so a resumed run sees the same data.
        evaluate: model -> numbers for the log.
        unit: factor from the loss to what the log shows, and its name.
        state: folder of checkpoints, kept until the run's outputs are written.
        fingerprint: digest of settings and data; checkpoints of another one are not used.
        most_alarms: large gradients (training/health.py) in a row that end the run; None: they are only counted, as
            where the loss is in units of its labels.
        goal: what early stopping watches, a key of the readings, and 1 where more of it is better, -1 where less is.
        targets: (batch, labels) -> how many labels the loss is the mean over, or what they weigh together, by which
            parts of a step are weighed.
    """

    config: TrainConfig
    steps: int
    seed: int
    batch_at: Callable[[int, int, int], tuple[Batch, Labels]]
    evaluate: Callable[[GenomeModel], dict[str, float]]
    unit: tuple[float, str]
    state: Path
    fingerprint: str
    most_alarms: int | None = MOST_ALARMS
    goal: tuple[str, int] | None = None
    targets: Callable[[Batch, Labels], float] = count_targets


def train(model: nn.Module, run: Run, device: torch.device, max_minutes: float | None = None) -> list[dict]:
    """Train until `run.steps`, continuing from the newest checkpoint.

    Every process of the run calls this alike; the first one writes the checkpoints and the log.

    Returns:
        The log: one dictionary a reading (step, bases, train_<unit>, lr, norms of gradients before clipping, S5 poles,
        speed, seconds, and what `evaluate` gives). The weights are in `model`, in eval mode.

    Raises:
        Interrupted: a signal or the time budget, of any process; a checkpoint was written.
        NumericalError: NaN or Inf losses in a row, large gradients in a row, or a state space that is not stable.
        ResourceError: a step does not fit into a GPU's memory.
    """
    loop = _Loop(model, run, Team(device), max_minutes)
    try:
        loop.run_through()
    finally:
        loop.files.close()
    return loop.progress.log


class _Loop:
    """A run under way."""

    def __init__(self, model: nn.Module, run: Run, team: Team, max_minutes: float | None) -> None:
        self.run, self.team, self.config = run, team, run.config
        self.learner = Learner(model, run.config, team)
        self.stop = StopRequest(max_minutes)
        self.health = Health(self.learner.trained, run.config.clip, run.most_alarms)
        self.rolled_back, self.clipped, self.skipped = False, 1.0, 0
        if not self._restore():
            self.step, self.best = 0, Best(self.config.early_stopping, run.goal)
            self.progress = Progress(run, 0, START, team.device)
        else:
            self.progress.resumes += 1
        self.schedule = Schedule(run.config.checkpoint_minutes, self.step)
        self.files = LogFiles(run.state, self.progress.log, run.config.tensorboard) if team.first else _NoFiles()

    def run_through(self) -> None:
        """Make the steps that are left."""
        run, device = self.run, self.team.device
        generators = [device] if device.type == "cuda" else []
        ahead = Ahead(self._parts, self.config.prefetch, self.step, run.steps)
        display = Display(run.steps, quiet=not self.team.first)
        with self.stop as stop, torch.random.fork_rng(generators), self.health, ahead, display:
            while self.step < run.steps and not self.best.over:
                asked, due = self.team.any(bool(stop.reason), self.team.first and self.schedule.due(self.step))
                if asked and not self.skipped:
                    self._end(stop.reason or "another of its processes was asked to")
                if due and not self.skipped:
                    self._save()
                self.skipped = 0 if self._made_step(ahead) else self.skipped + 1
                if self.skipped >= MOST_SKIPPED:
                    self._go_back(self.skipped)
                    ahead.back_to(self.step)
                    self.skipped = 0
                    continue
                self.step += 1
                if self.progress.is_reading(self.step):
                    with ahead.making:
                        self._read(ahead.waited)
                display.show(self.step, self.progress, ahead.waited)
        self.learner.finish(self.best.weights)

    def _parts(self, step: int) -> list[Part]:
        """Make this process's share of a step."""
        each, team = self.config.accumulate, self.team
        numbers = range(team.rank * each, (team.rank + 1) * each)
        parts = [Part.of(*self.run.batch_at(step, n, team.size * each), self.run.targets) for n in numbers]
        return [part.pinned() for part in parts] if team.device.type == "cuda" else parts

    def _made_step(self, ahead: Ahead) -> bool:
        """Make the next step; return False where its loss or gradient is not finite, and nothing was changed."""
        parts = ahead.take()
        with told_of_memory(self.learner.model, self.config, [part.batch for part in parts], self.team.device):
            loss, norm = self._backward(parts)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                log.warning("step %d: loss %s, gradient norm %s: skipped", self.step, loss, norm)
                self.progress.skipped += 1
                return False
            self.learner.apply(rate_at(self.step, self.run.steps, self.config))
        self.clipped = max(1.0, norm / self.config.clip)  # by which the gradient was divided
        alarm = self.health.after_step(self.step, norm)
        bases = int(self.team.sums([sum(part.bases for part in parts)])[0])
        self.progress.add(bases, loss, norm, alarm)
        return True

    def _backward(self, parts: list[Part]) -> tuple[float, float]:
        """Compute the step's gradient; return its loss and norm."""
        try:
            return self.learner.backward(parts, self.run.seed, self.step)
        except Exception:
            if not self.stop.reason or self.skipped or self.team.size > 1:
                raise
            # A signal to all processes of a job also ends a compiler that this one has started.
            log.warning("step %d failed after the run was asked to stop", self.step, exc_info=True)
            self._end(self.stop.reason)

    def _read(self, waited: float) -> None:
        """Add a reading to the log."""
        norms = layer_norms(self.learner.trained.named_parameters())
        told: dict = {"gradient_norms": {layer: norm * self.clipped for layer, norm in norms.items()}}
        if self.health.spaces:
            told["state_norm"] = self.health.state_norm()
        with self.learner.readable() as model:
            told |= self.run.evaluate(model) | monitor(model)
            poles = {name: monitor(model.get_submodule(name)) for name in self.health.spaces}
        if poles:
            told["poles"] = poles
        rate = rate_at(self.step - 1, self.run.steps, self.config)
        reading = self.progress.read(self.step, rate, told, waited, self.schedule.spent)
        # Processes whose readings differ in a last digit must not differ in what they do next.
        self.best.take(self.team.from_first({"step": self.step, **told}), self.learner.read_weights)
        if self.best.over:
            log.info("no better reading since step %d: the run ends, with the weights of then", self.best.step)
        self.files.add(reading)

    def _end(self, why: str) -> NoReturn:
        """Write a checkpoint and end the run, to be continued."""
        self._save()
        raise Interrupted(f"stopped at step {self.step} of {self.run.steps} ({why}); the same command continues")

    def _save(self) -> None:
        """Write a checkpoint."""
        started = time.monotonic()
        tensors = self.learner.tensors()
        if self.best.weights is not None:
            tensors["best"] = self.best.weights
        if self.team.first:
            facts = {
                "fingerprint": self.run.fingerprint,
                "alarms_in_a_row": self.health.alarms,
                "rolled_back": self.rolled_back,
                **self.learner.facts(),
                **self.best.facts(),
                **self.progress.facts(),
            }
            save_state(self.run.state, self.step, tensors, facts, self.config.keep_checkpoints)
        self.team.wait()
        self.schedule.saved(self.step, time.monotonic() - started)

    def _restore(self) -> bool:
        """Go on from the newest checkpoint; return False where there is none."""
        found = newest_state(self.run.state, self.run.fingerprint) if self.team.first else None
        found = self.team.from_first(found)
        if found is None:
            return False
        tensors, facts = read_state(found)
        self.learner.load(tensors, facts)
        self.best = Best(self.config.early_stopping, self.run.goal, facts, tensors.get("best"))
        self.progress = Progress(self.run, facts["step"], facts, self.team.device)
        self.health.alarms = facts["alarms_in_a_row"]
        self.step, self.rolled_back = facts["step"], facts["rolled_back"]
        return True

    def _go_back(self, skipped: int) -> None:
        """Go on from the newest checkpoint, once; the next time the run ends.

        Raises:
            NumericalError: it was the next time, or there is no checkpoint.
        """
        at = self.step
        if self.rolled_back or not self._restore():
            self.health.check(at)
            raise NumericalError(
                f"{skipped} steps in a row were not finite, the last at step {at} (seed {self.run.seed}): lower the "
                "learning rate, or look at that batch"
            )
        log.warning("going back to the checkpoint of step %d, once", self.step)
        self.rolled_back = True
        self.progress.skipped += skipped
        self.files.back_to(self.progress.log)


class _NoFiles:
    """The log of a process that writes none."""

    def back_to(self, rows: list[dict]) -> None: ...

    def add(self, row: dict) -> None: ...

    def close(self) -> None: ...
