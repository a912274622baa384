"""Runs of the small config on a private Slurm, and what Slurm tells of their jobs."""

import contextlib
import functools
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from small_repository import PROGRAM, environment

HERE = Path(__file__).parent / "slurm"
CLUSTER = [sys.executable, str(HERE / "cluster.py")]
# The profile as it is shipped; with it only what a test must not wait for, and the status command that it documents.
SLURM = [*PROGRAM, "--profile", "slurm", "--slurm-status-command", "squeue", "--latency-wait", "5"]
SLURM += ["--slurm-init-seconds-before-status-checks", "1"]


class Record(NamedTuple):
    """One job in Slurm's accounting."""

    id: str
    rule: str
    state: str
    asked: str
    nodes: str


@contextlib.contextmanager
def started(folder: Path, *arguments: object, seconds: int = 280, **variables: str) -> Iterator[subprocess.Popen]:
    """Start Snakemake with the profile, its output in the file `said`; `timeout -k`, as it may outlive a plain one.

    What a shell starts in the background ignores Ctrl-C, and so does all that it starts: these tests may be, Snakemake
    here must not.
    """
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = ["timeout", "-k", "5", str(seconds), *SLURM, *map(str, arguments)]
    with open(folder / "said", "w") as said:
        process = subprocess.Popen(
            command,
            **{"cwd": folder, "env": {**environment(), **variables}, "preexec_fn": heed},
            **{"stdout": said, "stderr": subprocess.STDOUT},
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=30)


def queued() -> list[tuple[str, str]]:
    """Return the ids and rules of the jobs that wait or run."""
    lines = subprocess.run(
        ["squeue", "--noheader", "--format=%i|%k"], capture_output=True, text=True, check=True
    ).stdout
    return [(id, rule_of(comment)) for id, comment in (line.split("|") for line in lines.splitlines())]


def records(ids: list[str]) -> list[Record]:
    """Return these jobs from Slurm's accounting, which learns of their ends some seconds later."""
    found: list[Record] = []

    def all_there() -> bool:
        columns = "--format=JobIDRaw,Comment%200,State,ReqTRES%200,NodeList%60"
        command = ["sacct", "-X", "--noheader", "--parsable2", columns, f"--jobs={','.join(ids)}"]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        cells = [line.split("|") for line in lines]
        found[:] = [Record(id, rule_of(comment), *rest) for id, comment, *rest in cells if comment and rest[1]]
        return {record.id for record in found} == set(ids)

    wait(f"Slurm's records of jobs {', '.join(ids)}", all_there, 30)
    return found


def submitted(output: str) -> list[str]:
    """Return the job ids that Snakemake tells of."""
    return re.findall(r"submitted with SLURM jobid (\d+) ", output)


def rule_of(comment: str) -> str:
    """Return the rule that the executor writes into a job's comment."""
    return comment.removeprefix("rule_").partition("_wildcards_")[0]


def wait(what: str, ready: Callable[[], object], seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:g} s"
        time.sleep(0.2)
