"""A cluster on paper: what it has, what it costs, and how long jobs take on it."""

import dataclasses
from collections.abc import Sequence

from genomelm.settings import setting


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What a run is planned for; prices are in one currency of your choice."""

    nodes: int = setting(1, "machines", minimum=1)
    cpus: int = setting(16, "CPU cores of a machine", minimum=1)
    gpus: int = setting(0, "GPUs of a machine", minimum=0)
    gpu: str = setting("H100", "part of the GPU's name, which says whose measured rates hold")
    gpu_gib: float = setting(80.0, "memory of a GPU in GiB", minimum=1)
    gpu_hour: float = setting(0.0, "price of a GPU for an hour", minimum=0)
    cpu_hour: float = setting(0.0, "price of a CPU core for an hour", minimum=0)
    gib_month: float = setting(0.0, "price of a GiB of storage for a month", minimum=0)
    months: float = setting(1.0, "months that results are kept", minimum=0)
    currency: str = setting("USD", "name of the currency")


@dataclasses.dataclass(frozen=True)
class Job:
    """Jobs of one kind in a plan.

    Attributes:
        rule: the workflow's rule.
        name: what it is for: a patching, a model, a set of variants.
        stage: jobs of a stage wait for those of lower stages.
        jobs: how many there are.
        hours: of one of them.
        threads: CPU cores of one of them.
        gpu: whether each takes a GPU.
        amount: what they do in all, such as "24,000,000 bases".
        measured: whether the rate was measured as it is, on this device with this model.
        basis: where the rate comes from.
    """

    rule: str
    name: str
    stage: int
    jobs: int
    hours: float
    threads: int
    gpu: bool
    amount: str
    measured: bool
    basis: str


def wall_hours(jobs: Sequence[Job], cluster: Cluster) -> float:
    """Return the hours from start to end: stages one after the other, the jobs of a stage side by side.

    A stage takes as long as its longest job, or as all its jobs on all slots, whichever is more. Jobs of different
    stages overlap in a real run, and wait in a queue: the first makes it shorter, the second longer.
    """
    total = 0.0
    for stage in sorted({job.stage for job in jobs}):
        here = [job for job in jobs if job.stage == stage]
        gpu = sum(job.jobs * job.hours for job in here if job.gpu) / max(1, cluster.nodes * cluster.gpus)
        cpu = sum(job.jobs * job.hours * job.threads for job in here) / (cluster.nodes * cluster.cpus)
        total += max(gpu, cpu, *(job.hours for job in here))
    return total


def gpu_hours(jobs: Sequence[Job]) -> float:
    """Return the hours of all GPUs together."""
    return sum(job.jobs * job.hours for job in jobs if job.gpu)


def cpu_hours(jobs: Sequence[Job]) -> float:
    """Return the hours of all CPU cores together."""
    return sum(job.jobs * job.hours * job.threads for job in jobs)


def cost(jobs: Sequence[Job], gib: float, cluster: Cluster) -> dict[str, float]:
    """Return the prices of GPUs, of CPU cores, of storage for its months, and their sum."""
    parts = {
        "gpu": gpu_hours(jobs) * cluster.gpu_hour,
        "cpu": cpu_hours(jobs) * cluster.cpu_hour,
        "storage": gib * cluster.gib_month * cluster.months,
    }
    return {**parts, "total": sum(parts.values())}
