"""What a profile must know of a cluster: account, partitions, GPU model, scratch; Slurm is asked where there is one."""

import dataclasses
import getpass
import re
import shutil
import subprocess
from typing import Any

from genomelm.errors import UsageError

GPU_RULES = (
    *("pretrain", "finetune", "train_from_scratch", "evaluate_language_model", "background"),
    *("score_variants", "score_shard", "score_saturation", "attribute", "attribute_regions"),
)
"""Rules that ask for a GPU where the config says `device: cuda`."""
PATIENCE = 20  # seconds that a command of Slurm gets
OLDEST = 120
"""Seconds that Slurm must remember a finished job for (MinJobAge), so that squeue still tells of its end."""
# These go onto the command line of sbatch.
NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.,-]*")
MODEL = re.compile(r"[0-9A-Za-z_.]+")  # all that the executor takes
FOLDER = re.compile(r"/[0-9A-Za-z_./$+-]*")


@dataclasses.dataclass(frozen=True)
class Site:
    """Facts of a cluster; None where nothing is known, and Slurm's own defaults then hold.

    Attributes:
        account: account that jobs are charged to.
        partition: partition of jobs that ask for no GPU.
        gpu_partition: partition of jobs that ask for one.
        gpu_model: name of the GPU that they ask for, as Slurm's gres has it.
        scratch: folder for temporary files on the compute nodes.
        status_command: how the executor learns the states of jobs: sacct or squeue.
        notes: what was found, a line each.
    """

    account: str | None = None
    partition: str | None = None
    gpu_partition: str | None = None
    gpu_model: str | None = None
    scratch: str | None = None
    status_command: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        patterns = {"account": NAME, "partition": NAME, "gpu_partition": NAME, "gpu_model": MODEL, "scratch": FOLDER}
        for name, pattern in patterns.items():
            value = getattr(self, name)
            if value is not None and not pattern.fullmatch(value):
                raise UsageError(f"--{name.replace('_', '-')} '{value}' is not a name that Slurm takes")

    def profile(self, shipped: dict[str, Any], with_gpu: bool) -> dict[str, Any]:
        """Return the shipped Slurm profile with these facts.

        Args:
            with_gpu: the workflow's config says `device: cuda`. Without it no rule asks for a GPU, and the executor
                refuses a GPU's model.
        """
        defaults = dict(shipped["default-resources"])
        known = {"slurm_account": self.account, "slurm_partition": self.partition, "tmpdir": self.scratch}
        defaults |= {key: value for key, value in known.items() if value is not None}
        found = {**shipped, "default-resources": defaults}
        facts = {"slurm_partition": self.gpu_partition, "gpu_model": self.gpu_model}
        facts = {key: value for key, value in facts.items() if value is not None}
        if with_gpu and facts:
            found["set-resources"] = {rule: dict(facts) for rule in GPU_RULES}
        if self.status_command is not None:
            found["slurm-status-command"] = self.status_command
        return found


def discover() -> Site | None:
    """Ask Slurm for what it tells of this cluster and user; None where there is no Slurm or it does not answer."""
    listed = _ask("sinfo", "--noheader", "--format=%P|%l|%c|%m|%G")
    if listed is None:
        return None
    rows = [line.split("|") for line in listed.splitlines() if line.count("|") == 4]
    gpus = [(row[0].rstrip("*"), row[4]) for row in rows if re.search(r"\bgpu\b", row[4])]
    default = next((row[0].rstrip("*") for row in rows if row[0].endswith("*")), None)
    models = re.findall(r"\bgpu:([0-9A-Za-z_.]*[A-Za-z_][0-9A-Za-z_.]*):\d", gpus[0][1]) if gpus else []
    notes = [
        f"partition {name.rstrip('*')}: time limit {limit}, {cpus} CPUs and {memory} MB a node, {gres}"
        for name, limit, cpus, memory, gres in rows
    ]
    accounts = _accounts()
    if len(accounts) > 1:
        notes.append(f"accounts of this user: {', '.join(accounts)}")
    return Site(
        account=accounts[0] if len(accounts) == 1 else None,
        partition=default,
        gpu_partition=gpus[0][0] if gpus else None,
        gpu_model=models[0] if models else None,
        status_command=_status_command(notes),
        notes=tuple(notes),
    )


def _accounts() -> list[str]:
    command = ("sacctmgr", "--noheader", "--parsable2", "show", "associations", "format=Account")
    return sorted(set((_ask(*command, f"user={getpass.getuser()}") or "").split()))


def _status_command(notes: list[str]) -> str | None:
    """Return squeue where Slurm keeps no accounts, and say where it forgets finished jobs too soon for that."""
    config = dict(re.findall(r"^(\w+)\s*=\s*(\S+)", _ask("scontrol", "show", "config") or "", re.MULTILINE))
    if config.get("AccountingStorageType", "accounting_storage/slurmdbd").endswith("slurmdbd"):
        return None
    if int(config.get("MinJobAge", OLDEST)) < OLDEST:
        notes.append(
            f"no accounting, and MinJobAge is {config['MinJobAge']}: ask for {OLDEST} or more in slurm.conf, "
            "or ends of jobs may be missed"
        )
    return "squeue"


def _ask(*command: str) -> str | None:
    """Return what a command of Slurm prints; None where it is missing, fails or does not answer."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
