"""Free the working directory after Snakemake was killed, so that the same command goes on.

A killed Snakemake leaves a lock, and its jobs may still run. Where no Snakemake lives in this
directory any more, its orphaned `genomelm` jobs are asked to stop (training checkpoints then) and
the lock is removed. A live Snakemake is left alone: the lock is then right. Jobs are known by the
variable GENOMELM_WORKFLOW that the Snakefile sets for them; no other process is touched.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

PATIENCE = 120  # seconds that a job gets to write its checkpoint


def processes_here(program: str) -> list[psutil.Process]:
    """Return this user's processes in this directory that run `program`."""
    found = []
    for process in psutil.process_iter():
        try:
            names = [Path(part).name for part in process.cmdline()[:3]]  # python [-m] program
            if program in names and process.uids().real == os.getuid() and process.cwd() == os.getcwd():
                found.append(process)
        except psutil.Error:
            continue  # ended meanwhile, or another user's
    return found


def is_job(process: psutil.Process) -> bool:
    """Return whether a process was started by a workflow of this directory."""
    try:
        return process.environ().get("GENOMELM_WORKFLOW") == os.getcwd()
    except psutil.Error:
        return False


def is_running(process: psutil.Process) -> bool:
    """Return whether a process still does something; one that only waits to be collected by its parent does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def main() -> None:
    """Recover where a lock is left and no Snakemake lives."""
    locks = Path(".snakemake/locks")
    if not (locks.is_dir() and any(locks.iterdir())):
        return
    alive = processes_here("snakemake")
    if alive:
        sys.exit(f"snakemake is running here already (process {alive[0].pid}); wait for it, or stop it with Ctrl-C")
    orphans = [process for process in processes_here("genomelm") if is_job(process)]
    for process in orphans:
        print(f"stopping what a killed run left: process {process.pid}", file=sys.stderr)
        process.terminate()
    deadline = time.monotonic() + PATIENCE
    while running := [process for process in orphans if is_running(process)]:
        if time.monotonic() > deadline:
            sys.exit(f"process {running[0].pid} of a killed run does not end; end it, then try again")
        time.sleep(0.2)
    print("removing the lock of a killed run", file=sys.stderr)
    subprocess.run([Path(sys.executable).parent / "snakemake", "--unlock", "--quiet", "all"], check=True)


if __name__ == "__main__":
    main()
