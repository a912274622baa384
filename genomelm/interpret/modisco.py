"""Motif discovery by modisco-lite, as a program of its own: its dependencies are GPL, so it is never imported."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import UsageError
from genomelm.interpret import meme

RESULTS = "modisco_results.h5"
SEQLETS = 2000


def run(executable: str | Path, folder: Path, length: int, seqlets: int = SEQLETS) -> list[tuple[int, np.ndarray]]:
    """Run TF-MoDISco over ohe.npz and shap.npz of a folder; modisco_results.h5 is written there.

    Args:
        executable: the `modisco` program, by path or name. length: of the sequences. seqlets: most of each sign.

    Returns:
        (sign, PPM (w, 4)) of each pattern, in modisco's order.

    Raises:
        UsageError: there is no such program, or it failed.
    """
    found = program(executable)
    results, text = folder / RESULTS, folder / ".modisco.meme"
    inputs = ["-s", str(folder / "ohe.npz"), "-a", str(folder / "shap.npz")]
    _call([found, "motifs", *inputs, "-n", str(seqlets), "-w", str(length), "-o", str(results)])
    try:
        _call([found, "meme", "-i", str(results), "-t", "PFM", "-o", str(text), "-q"])
        if not text.exists() or "MOTIF" not in text.read_text(encoding="utf-8"):
            return []
        return [(-1 if name.startswith("neg") else 1, ppm) for name, ppm in meme.read(text).items()]
    finally:
        text.unlink(missing_ok=True)


def program(executable: str | Path) -> str:
    """Return the path of the `modisco` program, given by path or name.

    Raises:
        UsageError: there is no such program.
    """
    found = shutil.which(str(executable))
    if found is None:
        raise UsageError(f"--modisco {executable} is no program: install modisco-lite in an environment of its own")
    return found


def _call(command: Sequence[str]) -> None:
    """Run a program without a shell and with nothing of our Python's on its path."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UsageError(
            f"{command[0]} {command[1]} ended with {done.returncode}: {last}; without --modisco the built-in runs"
        )
