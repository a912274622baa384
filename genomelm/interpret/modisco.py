"""Motif discovery by modisco-lite, as a program of its own: its dependencies are GPL, so it is never imported.

Its command line and output are those of modisco 2.5.2. Its seqlets are given the size of the built-in discovery's: its
own sizes, made for windows of 400 bases, put two sites of a short region into one seqlet and give motifs of 50 columns.
It looks for motifs of a sign where that has more than 100 seqlets.
"""

import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genomelm.errors import UsageError
from genomelm.interpret import meme
from genomelm.interpret.motif import EDGE, WIDTH
from genomelm.interpret.seqlets import CORE, FLANK

log = logging.getLogger(__name__)

RESULTS = "modisco_results.h5"
SEQLETS = 2000
SIZES = {"-z": CORE, "-f": FLANK, "-t": WIDTH - 4, "-g": 2}
"""Bases of a seqlet's core and of its flanks, of a motif, and of what is added on either side of it: WIDTH in all."""


def run(executable: str | Path, folder: Path, length: int, seqlets: int = SEQLETS) -> list[tuple[int, np.ndarray]]:
    """Run TF-MoDISco over ohe.npz and shap.npz of a folder; modisco_results.h5 is written there.

    Args:
        executable: the `modisco` program, by path or name. length: of the sequences. seqlets: most of each sign.

    Returns:
        (sign, PPM (w, 4)) of each pattern, in modisco's order, without columns at the ends that say little.

    Raises:
        UsageError: there is no such program, or it failed.
    """
    found = program(executable)
    results, text = folder / RESULTS, folder / ".modisco.meme"
    inputs = ["-s", str(folder / "ohe.npz"), "-a", str(folder / "shap.npz")]
    sizes = [word for option, size in SIZES.items() for word in (option, str(size))]
    _call([found, "motifs", *inputs, "-n", str(seqlets), "-w", str(length), *sizes, "-o", str(results)])
    try:
        _call([found, "meme", "-i", str(results), "-t", "PFM", "-o", str(text), "-q"])
        if not text.exists() or "MOTIF" not in text.read_text(encoding="utf-8"):
            log.warning("modisco found no motif: it needs more than 100 seqlets of a sign, so often some 200 regions")
            return []
        return [(-1 if name.startswith("neg") else 1, trimmed(ppm)) for name, ppm in meme.read(text).items()]
    finally:
        text.unlink(missing_ok=True)


def trimmed(ppm: np.ndarray) -> np.ndarray:
    """Return the columns of (w, 4) between the first and last that have EDGE of the most information, at most WIDTH of
    them, those with the most in all."""
    bits = np.maximum(2 + (ppm * np.log2(np.maximum(ppm, 1e-9))).sum(axis=1), 0)
    columns = np.flatnonzero(bits >= EDGE * bits.max())
    first, last = int(columns[0]), int(columns[-1]) + 1
    if last - first > WIDTH:
        first += int(np.convolve(bits[first:last], np.ones(WIDTH), "valid").argmax())
        last = first + WIDTH
    return ppm[first:last]


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
