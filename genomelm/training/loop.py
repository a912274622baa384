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
from genomelm.training.optimizer import make_optimizer, rate_at, set_rate
from genomelm.training.stop import StopRequest

log = logging.getLogger(__name__)

MOST_SKIPPED = 3
"""Steps in a row whose loss may be NaN or Inf before the run ends."""
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
    """

    config: TrainConfig
    steps: int
    seed: int
    batch_at: Callable[[int], tuple[Batch, torch.Tensor]]
    evaluate: Callable[[GenomeModel], dict[str, float]]
    unit: tuple[float, str]
    state: Path
    fingerprint: str


def train(model: GenomeModel, run: Run, device: torch.device, max_minutes: float | None = None) -> list[dict]:
    """Train until `run.steps`, continuing from the newest checkpoint.

    Returns:
        The log: one dictionary a reading (step, bases, train_<unit>, seconds, lr, and what
        `evaluate` gives).

    Raises:
        Interrupted: a signal or the time budget; a checkpoint was written.
        NumericalError: NaN or Inf losses in a row.
    """
    model.to(device).train()
    optimizer = make_optimizer(model, run.config)
    start = {"step": 0, "log": [], "seconds": 0.0, "bases": 0, "sum": 0.0, "count": 0}
    facts = load_state(run.state, model, optimizer, run.fingerprint) or start
    progress = _Progress(run, facts)
    skipped = 0
    saved_at = time.monotonic()
    with StopRequest(max_minutes) as stop, torch.random.fork_rng(devices=[]):
        for step in range(facts["step"], run.steps):
            if stop.reason:
                save_state(run.state, step, model, optimizer, progress.facts(run.fingerprint))
                raise Interrupted(f"stopped at step {step} of {run.steps} ({stop.reason}); the same command continues")
            torch.manual_seed(counter_seed("dropout", run.seed, step))
            set_rate(optimizer, rate_at(step, run.steps, run.config))
            batch, labels = run.batch_at(step)
            loss = model(**batch.to(device).inputs(), labels=labels.to(device), return_logits=False).loss
            optimizer.zero_grad(set_to_none=True)
            if not torch.isfinite(loss):
                skipped += 1
                log.warning("step %d: loss is %s, the batch is skipped", step, loss.item())
                if skipped >= MOST_SKIPPED:
                    raise NumericalError(
                        f"{skipped} losses in a row were not finite, the last at step {step} (seed {run.seed})"
                    )
                continue
            skipped = 0
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), run.config.clip)
            optimizer.step()
            progress.add(step, batch, loss, optimizer.param_groups[0]["lr"], model)
            if time.monotonic() - saved_at > 60 * run.config.checkpoint_minutes and step + 1 < run.steps:
                save_state(run.state, step + 1, model, optimizer, progress.facts(run.fingerprint))
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
        }

    def add(self, step: int, batch: Batch, loss: torch.Tensor, rate: float, model: GenomeModel) -> None:
        scale, name = self.run.unit
        self.bases += int(batch.mask.sum()) - len(batch.mask)  # less one BOS a record
        self.sum, self.count = self.sum + loss.item() * scale, self.count + 1
        done = step + 1
        if done % self.run.config.evaluate_every == 0 or done == self.run.steps:
            model.eval()
            reading = {"step": done, "bases": self.bases, f"train_{name}": self.sum / self.count, "lr": rate}
            reading.update(self.run.evaluate(model), seconds=round(self.seconds(), 2))
            model.train()
            self.log.append(reading)
            self.sum, self.count = 0.0, 0
        if time.monotonic() - self.printed > PROGRESS_SECONDS or done == self.run.steps:
            self.printed = time.monotonic()
            elapsed = self.printed - self.started
            left = elapsed / (done - self.first) * (self.run.steps - done)
            log.info(
                "step %d/%d  %s %.4f  %.1f kbases/s  %.0f s left",
                done, self.run.steps, name, self.log[-1][f"train_{name}"] if self.count == 0 else self.sum / self.count,
                (self.bases - self.bases_before) / elapsed / 1e3, left,
            )  # fmt: skip


def write_log(path: Path, rows: list[dict]) -> None:
    """Write the log as JSON lines, atomically."""
    assert all(math.isfinite(value) for row in rows for value in row.values())
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
