"""`genomelm plan`: hours, storage, memory and cost of a run of the workflow, on paper."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from genomelm.commands.options import Json


def plan(
    config: Annotated[Path, typer.Argument(help="The workflow's config (YAML).")],
    cluster: Annotated[
        Path | None, typer.Option("--cluster", help="YAML file with the cluster's numbers; options go before it.")
    ] = None,
    nodes: Annotated[int | None, typer.Option("--nodes", help="Machines.")] = None,
    cpus: Annotated[int | None, typer.Option("--cpus", help="CPU cores of a machine.")] = None,
    gpus: Annotated[int | None, typer.Option("--gpus", help="GPUs of a machine.")] = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", help="Part of the GPU's name, as rates were measured on it.")
    ] = None,
    gpu_gib: Annotated[float | None, typer.Option("--gpu-gib", help="Memory of a GPU in GiB.")] = None,
    gpu_hour: Annotated[float | None, typer.Option("--gpu-hour", help="Price of a GPU for an hour.")] = None,
    cpu_hour: Annotated[float | None, typer.Option("--cpu-hour", help="Price of a CPU core for an hour.")] = None,
    gib_month: Annotated[float | None, typer.Option("--gib-month", help="Price of a GiB for a month.")] = None,
    count: Annotated[
        list[str] | None,
        typer.Option("--count", help="NAME=N: records of a set of variants, or examples of a task; repeatable."),
    ] = None,
    rates: Annotated[
        list[Path] | None,
        typer.Option("--rates", help="JSON of `genomelm bench model|score|patch|vcf`, before the shipped; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what a run would take: hours, GPU hours, storage, memory, cost; nothing is run or fetched.

    Each line says whether its rate was measured, and where, or how it was extrapolated from what was.
    """
    import dataclasses

    from genomelm.commands.plan_cluster import Cluster, cost, cpu_hours, gpu_hours, wall_hours
    from genomelm.commands.plan_rates import Rates
    from genomelm.commands.plan_storage import storage
    from genomelm.commands.plan_work import Work
    from genomelm.commands.workflow_checks import read_workflow_config
    from genomelm.commands.workflow_source import workflow_folder
    from genomelm.errors import UsageError
    from genomelm.settings import from_mapping, read_config, read_yaml

    options = {"nodes": nodes, "cpus": cpus, "gpus": gpus, "gpu": gpu, "gpu_gib": gpu_gib, "gpu_hour": gpu_hour}
    options |= {"cpu_hour": cpu_hour, "gib_month": gib_month}
    given = {key: value for key, value in options.items() if value is not None}
    site = read_config(Cluster, cluster) if cluster else Cluster()
    site = from_mapping(Cluster, {**dataclasses.asdict(site), **given}, source="cluster")
    counts = _counts(count or [])
    flow, manifest = read_workflow_config(read_yaml(config), workflow_folder(), counts)
    if flow.device == "cuda" and not site.gpus:
        raise UsageError(f"{config} says device: cuda, and the cluster has no GPU: say --gpus N")
    shipped = workflow_folder() / "tests" / "benchmarks" / "results"
    files = [shipped / f"{name}.json" for name in ("speeds", "patch_speed", "vcf_speed")]
    work = Work(flow, manifest, site, Rates([*files, *(rates or [])]), counts)
    jobs = work.jobs()
    parts = storage(work)
    gib = sum(parts.values()) / 2**30
    facts: dict[str, Any] = {
        "config": str(config),
        "cluster": dataclasses.asdict(site),
        "hours": wall_hours(jobs, site),
        "gpu_hours": gpu_hours(jobs),
        "cpu_hours": cpu_hours(jobs),
        "storage_bytes": parts,
        "storage_gib": gib,
        "memory": work.memory(),
        "cost": cost(jobs, gib, site),
        "jobs": [dataclasses.asdict(job) for job in jobs],
        "notes": work.notes,
    }
    if as_json:
        print(json.dumps(facts, indent=2, allow_nan=False))
        return
    print("\n".join(lines(facts)))


def lines(facts: dict[str, Any]) -> list[str]:
    """Return a plan as lines of text."""
    site, price = facts["cluster"], facts["cost"]
    gpus = f", {site['gpus']} GPUs ({site['gpu']}, {site['gpu_gib']:g} GiB)" if site["gpus"] else ""
    found = [
        f"{facts['config']} on {site['nodes']} x ({site['cpus']} CPU cores{gpus})",
        f"  hours, start to end  {facts['hours']:12,.2f}",
        f"  GPU hours            {facts['gpu_hours']:12,.2f}",
        f"  CPU core hours       {facts['cpu_hours']:12,.2f}",
        f"  storage, GiB         {facts['storage_gib']:12,.2f}",
    ]
    if price["total"]:
        found.append(
            f"  cost, {site['currency']:14} {price['total']:12,.2f}  (GPUs {price['gpu']:,.2f}, "
            f"CPUs {price['cpu']:,.2f}, storage {price['storage']:,.2f} for {site['months']:g} months)"
        )
    rests = {basis: number for number, basis in enumerate(dict.fromkeys(job["basis"] for job in facts["jobs"]), 1)}
    found += ["", "jobs (rule, for, how many x hours, on, work, [what the rate rests on])"]
    for job in facts["jobs"]:
        kind = "GPU" if job["gpu"] else f"{job['threads']} CPU"
        found.append(
            f"  {job['rule']:24}{job['name']:20}{job['jobs']:8,} x {job['hours']:9.4f}  {kind:7}"
            f"{job['amount']:>24}  [{rests[job['basis']]}]"
        )
    found += ["", *(f"  [{number}] {basis}" for basis, number in rests.items())]
    found += ["", "storage, GiB"]
    found += [f"  {name:50}{size / 2**30:12,.3f}" for name, size in facts["storage_bytes"].items()]
    found += ["", "memory", *(f"  {line}" for line in facts["memory"])]
    return found + (["", "notes", *(f"  {note}" for note in facts["notes"])] if facts["notes"] else [])


def _counts(texts: list[str]) -> dict[str, int]:
    from genomelm.errors import UsageError

    found = {}
    for text in texts:
        name, _, number = text.partition("=")
        digits = number.replace(",", "").replace("_", "")
        if not name or not digits.isdecimal():
            raise UsageError(f"--count {text} is not NAME=N, such as clinvar=3500000")
        found[name] = int(digits)
    return found
