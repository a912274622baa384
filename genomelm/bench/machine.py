"""Where and with what a benchmark ran: kept beside its numbers."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from genomelm.files import provenance

PACKAGES = ("numpy", "numba", "torch")


def machine(**facts: object) -> dict:
    """Return the date, versions, processor and commit, as plain JSON values, with the caller's `facts`."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = {package: metadata.version(package) for package in PACKAGES}
    return provenance(versions=versions, device=_processor(), cpus=usable, **_commit(), **facts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> dict[str, str | bool]:
    """Return the commit of the checkout that this package lies in, and whether files differ from it; {} elsewhere."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return {}
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_git(root, "status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
