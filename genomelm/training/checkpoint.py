"""Training state on disk: atomic, digested, bounded in number, no pickle."""

import logging
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from genomelm.files import atomic_directory, read_json, sha256, write_json

log = logging.getLogger(__name__)

KEPT = 2
PARTS = ("model.safetensors", "optimizer.safetensors")


def save_state(folder: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, facts: dict) -> None:
    """Write folder/step-NNNNNNNN with weights, optimizer state and `facts`, then drop older ones.

    Args:
        folder: the run's state folder.
        step: steps done.
        model: trained model.
        optimizer: its optimizer.
        facts: JSON values kept beside the weights (fingerprint, seconds, log length).
    """
    with atomic_directory(folder / f"step-{step:08d}") as temporary:
        save_file({k: v.contiguous().cpu() for k, v in model.state_dict().items()}, temporary / PARTS[0])
        moments = {
            f"{index}.{name}": value.contiguous().cpu()
            for index, state in optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        save_file(moments, temporary / PARTS[1])
        digests = {name: sha256(temporary / name) for name in PARTS}
        write_json(temporary / "state.json", {"step": step, "digests": digests, **facts})
    for old in sorted(folder.glob("step-*"))[:-KEPT]:
        shutil.rmtree(old)


def load_state(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str) -> dict | None:
    """Restore the newest whole checkpoint of this run into `model` and `optimizer`.

    A checkpoint whose digests do not hold is passed over for the one before it. Checkpoints of
    another run (another fingerprint) are removed.

    Returns:
        Its facts with "step", or None when there is nothing to continue.
    """
    for checkpoint in sorted(folder.glob("step-*"), reverse=True):
        try:
            facts = read_json(checkpoint / "state.json")
            if facts["fingerprint"] != fingerprint:
                # Left where it is, it would crowd out this run's own checkpoints.
                log.warning("%s belongs to other settings or data: removed, this run starts anew", checkpoint)
                shutil.rmtree(checkpoint)
                continue
            if any(sha256(checkpoint / name) != facts["digests"][name] for name in PARTS):
                raise ValueError("its digests do not hold")
            weights, moments = (load_file(checkpoint / name) for name in PARTS)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            log.warning("checkpoint %s is not whole (%s): the one before it is used", checkpoint, error)
            continue
        model.load_state_dict(weights)
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in moments.items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return facts
    return None
