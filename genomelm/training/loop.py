"""The training loop: one for language models and task heads."""

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from genomelm.errors import Interrupted, NumericalError
from genomelm.files import write_text
from genomelm.models.encoding import Batch
from genomelm.models.model import GenomeModel
from genomelm.runtime import counter_seed
from genomelm.training.checkpoint import load_state, save_state
from genomelm.training.config import TrainConfig
from genomelm.training.health import Health
from genomelm.training.optimizer import make_optimizer, rate_at, set_rate
from genomelm.training.stop import StopRequest

log = logging.getLogger(__name__)

MOST_SKIPPED = 3
"""Steps in a row whose loss or gradient is not finite: then the run goes back once, and ends the next time."""
MOST_ALARMS = 100
"""Large gradients in a row that end the run of a language model."""
PROGRESS_SECONDS = 10.0


@dataclass(frozen=True)
class Run:
    """Everything that decides what a run does.

    Attributes:
        config: the training file.
        steps: optimizer steps in all.
        seed: of dropout and, through `batch_at`, of the data order.
        batch_at: step -> (batch, labels); a pure function, so a resumed run sees the same data.
        evaluate: model -> numbers for the log.
        unit: factor from the loss to what the log shows, and its name.
        state: folder of checkpoints, kept until the run's outputs are written.
        fingerprint: digest of settings and data; checkpoints of another one are not used.
        most_alarms: large gradients (training/health.py) in a row that end the run; None: they are only counted, as
            where the loss is in units of its labels.
    """

    config: TrainConfig
    steps: int
    seed: int
    batch_at: Callable[[int], tuple[Batch, torch.Tensor]]
    evaluate: Callable[[GenomeModel], dict[str, float]]
    unit: tuple[float, str]
    state: Path
    fingerprint: str
    most_alarms: int | None = MOST_ALARMS


def train(model: GenomeModel, run: Run, device: torch.device, max_minutes: float | None = None) -> list[dict]:
    """Train until `run.steps`, continuing from the newest checkpoint.

    Returns:
        The log: one dictionary a reading (step, bases, train_<unit>, seconds, lr, and what
        `evaluate` gives).

    Raises:
        Interrupted: a signal or the time budget; a checkpoint was written.
        NumericalError: NaN or Inf losses in a row, large gradients in a row, or a state space that is not stable.
    """
    model.to(device).train()
    if run.config.gradient_checkpointing:
        model._set_gradient_checkpointing()
    optimizer = make_optimizer(model, run.config)
    start = {"step": 0, "log": [], "seconds": 0.0, "bases": 0, "sum": 0.0, "count": 0, "norm": 0.0, "alarms": 0}
    facts = load_state(run.state, model, optimizer, run.fingerprint) or start
    progress = _Progress(run, facts)
    skipped, rolled_back = 0, False
    step, saved_at = facts["step"], time.monotonic()
    health = Health(model, run.config.clip, run.most_alarms)
    with StopRequest(max_minutes) as stop, torch.random.fork_rng(devices=[]), health:
        while step < run.steps:
            if stop.reason and not skipped:
                save_state(run.state, step, model, optimizer, progress.facts(run.fingerprint))
                raise Interrupted(f"stopped at step {step} of {run.steps} ({stop.reason}); the same command continues")
            torch.manual_seed(counter_seed("dropout", run.seed, step))
            set_rate(optimizer, rate_at(step, run.steps, run.config))
            batch, labels = run.batch_at(step)
            loss = model(**batch.to(device).inputs(), labels=labels.to(device), return_logits=False).loss
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), run.config.clip)
            if torch.isfinite(loss) and torch.isfinite(norm):
                skipped = 0
                optimizer.step()
                progress.add(batch, loss, norm.item(), health.after_step(step, norm.item()))
            else:
                skipped += 1
                log.warning("step %d: loss %s, gradient norm %s: skipped", step, loss.item(), norm.item())
                if skipped >= MOST_SKIPPED:
                    good = None if rolled_back else load_state(run.state, model, optimizer, run.fingerprint)
                    if good is None:
                        health.check(step)
                        raise NumericalError(
                            f"{skipped} steps in a row were not finite, the last at step {step} (seed {run.seed}): "
                            "lower the learning rate, or look at that batch"
                        )
                    log.warning("going back to the checkpoint of step %d, once", good["step"])
                    rolled_back, skipped, step = True, 0, good["step"]
                    progress = _Progress(run, good)
                    continue
            step += 1
            progress.report(step, optimizer.param_groups[0]["lr"], model, health)
            due = time.monotonic() - saved_at > 60 * run.config.checkpoint_minutes
            if due and step < run.steps and not skipped:
                save_state(run.state, step, model, optimizer, progress.facts(run.fingerprint))
                saved_at = time.monotonic()
    model.eval()
    return progress.log


class _Progress:
    """Collects the log, and prints a line now and then."""

    def __init__(self, run: Run, facts: dict) -> None:
        self.run, self.log = run, list(facts["log"])
        self.seconds_before, self.bases = facts["seconds"], facts["bases"]
        self.first, self.started, self.printed = facts["step"], time.monotonic(), time.monotonic()
        self.bases_before = self.bases
        self.sum, self.count = facts["sum"], facts["count"]  # of the losses since the last reading
        self.norm, self.alarms = facts["norm"], facts["alarms"]  # largest gradient since then, and alarms

    def seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def facts(self, fingerprint: str) -> dict:
        return {
            "fingerprint": fingerprint,
            "log": self.log,
            "seconds": self.seconds(),
            "bases": self.bases,
            "sum": self.sum,
            "count": self.count,
            "norm": self.norm,
            "alarms": self.alarms,
        }

    def add(self, batch: Batch, loss: torch.Tensor, norm: float, alarm: bool) -> None:
        self.bases += int(batch.mask.sum()) - len(batch.mask)  # less one BOS a record
        self.sum, self.count = self.sum + loss.item() * self.run.unit[0], self.count + 1
        self.norm, self.alarms = max(self.norm, norm), self.alarms + alarm

    def report(self, done: int, rate: float, model: GenomeModel, health: Health) -> None:
        name = f"train_{self.run.unit[1]}"
        if done % self.run.config.evaluate_every == 0 or done == self.run.steps:
            told = {"gradient_norm": self.norm, "gradient_alarms": self.alarms}
            if health.spaces:
                told["state_norm"] = health.state_norm()
            model.eval()
            reading = {"step": done, "bases": self.bases, "lr": rate, **told, **self.run.evaluate(model)}
            if self.count:
                reading[name] = self.sum / self.count
            model.train()
            self.log.append({**reading, "seconds": round(self.seconds(), 2)})
            self.sum, self.count, self.norm, self.alarms = 0.0, 0, 0.0, 0
        if time.monotonic() - self.printed > PROGRESS_SECONDS or done == self.run.steps:
            self.printed = time.monotonic()
            elapsed = self.printed - self.started
            mean = self.sum / self.count if self.count else self.log[-1].get(name, math.nan)
            speed = (self.bases - self.bases_before) / elapsed / 1e3
            left = elapsed / max(1, done - self.first) * (self.run.steps - done)
            text = "step %d/%d  %s %.4f  %.1f kbases/s  %.0f s left"
            log.info(text, done, self.run.steps, self.run.unit[1], mean, speed, left)


def totals(log: list[dict]) -> dict[str, float]:
    """Return what a whole run took, from the last reading of its log."""
    steps, bases, seconds = (log[-1][name] for name in ("step", "bases", "seconds"))
    speed = round(bases / seconds / 1e3, 2)
    return {"steps": steps, "bases": bases, "seconds": seconds, "kbases_per_second": speed}


def write_log(path: Path, rows: list[dict]) -> None:
    """Write the log as JSON lines, atomically."""
    assert all(math.isfinite(value) for row in rows for value in row.values())
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
