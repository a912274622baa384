"""Training state on disk: atomic, digested, bounded in number, no pickle."""

import logging
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from genomelm.files import atomic_directory, read_json, sha256, write_json

log = logging.getLogger(__name__)

MOST_TIME = 0.02
"""Share of a run's time that writing checkpoints may take."""

Tensors = Mapping[str, Mapping[str, torch.Tensor]]
"""What a checkpoint holds: name of a file, without its ending -> name -> tensor."""


def save_state(folder: Path, step: int, tensors: Tensors, facts: dict, keep: int) -> None:
    """Write folder/step-NNNNNNNN, then drop older ones. One that is there already is left as it is.

    Args:
        folder: the run's state folder.
        step: steps done.
        tensors: files of tensors.
        facts: JSON values kept beside them; "fingerprint" among them says of which run they are.
        keep: checkpoints to keep.
    """
    if not (folder / f"step-{step:08d}").exists():
        with atomic_directory(folder / f"step-{step:08d}") as temporary:
            for name, held in tensors.items():
                save_file({key: x.contiguous().cpu() for key, x in held.items()}, temporary / f"{name}.safetensors")
            digests = {file.name: sha256(file) for file in sorted(temporary.iterdir())}
            write_json(temporary / "state.json", {"step": step, "digests": digests, **facts})
    for old in sorted(folder.glob("step-*"))[:-keep]:
        shutil.rmtree(old)


def newest_state(folder: Path, fingerprint: str) -> Path | None:
    """Return the newest whole checkpoint of a run, or None.

    One whose digests do not hold gives way to the one before it. It is removed, and so is what a killed process has
    left; those of another run (another fingerprint) are set aside: they would crowd out this run's own.
    """
    for left in folder.glob(".step-*"):
        shutil.rmtree(left)
    newest = None
    for checkpoint in sorted(folder.glob("step-*")):
        try:
            facts = read_json(checkpoint / "state.json")
            if facts["fingerprint"] != fingerprint:
                aside = _set_aside(checkpoint, facts["fingerprint"])
                log.warning(
                    "%s belongs to other settings or data: moved to %s, this run starts anew", checkpoint, aside
                )
                continue
            if any(sha256(checkpoint / name) != digest for name, digest in facts["digests"].items()):
                raise ValueError("its digests do not hold")
        except (OSError, ValueError, KeyError) as error:
            log.warning("checkpoint %s is not whole (%s): removed, the one before it is used", checkpoint, error)
            shutil.rmtree(checkpoint)
            continue
        newest = checkpoint
    return newest


def _set_aside(checkpoint: Path, fingerprint: str) -> Path:
    """Move a checkpoint into a folder of its run, beside the folder of states, and return that place."""
    aside = checkpoint.parent.with_name(f"{checkpoint.parent.name}-{fingerprint[:8]}") / checkpoint.name
    aside.parent.mkdir(exist_ok=True)
    if aside.exists():
        shutil.rmtree(aside)
    checkpoint.rename(aside)
    return aside


def read_state(checkpoint: Path) -> tuple[dict[str, dict[str, torch.Tensor]], dict]:
    """Return the tensors of a checkpoint, and its facts with "step"."""
    facts = read_json(checkpoint / "state.json")
    return {Path(name).stem: load_file(checkpoint / name) for name in facts["digests"]}, facts


class Schedule:
    """When the next checkpoint is due: at most every so many minutes, and so that writing them takes little time.

    Args:
        minutes: 0 means after each step.

    Attributes:
        spent: seconds that checkpoints have taken.
    """

    def __init__(self, minutes: float, step: int) -> None:
        self.minutes, self.step = minutes, step
        self.spent = self.last = 0.0
        self.since = time.monotonic()

    def due(self, step: int) -> bool:
        """Return whether a checkpoint after `step` steps is due."""
        rest = max(60 * self.minutes, self.last * (1 / MOST_TIME - 1)) if self.minutes else 0.0
        return step > self.step and time.monotonic() - self.since >= rest

    def saved(self, step: int, seconds: float) -> None:
        """Note a checkpoint after `step` steps, which took so many seconds."""
        self.step, self.last, self.spent, self.since = step, seconds, self.spent + seconds, time.monotonic()
