"""genomelm doctor: what this installation has, and what is missing."""

from typing import Annotated

import typer

PACKAGES = (
    *("genomelm", "torch", "numpy", "numba", "pandas", "pysam", "pyfaidx", "safetensors", "transformers"),
    *("snakemake", "snakemake-executor-plugin-slurm", "memelite", "pyjaspar", "triton"),
)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show versions, devices, threads and caches of this installation; exit 5 when something needed is missing."""
    import json

    facts = collect()
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        for part, content in facts.items():
            print(part)
            lines = content.items() if isinstance(content, dict) else ((item, "") for item in content or ["none"])
            for name, value in lines:
                print(f"  {name}  {'not installed' if value is None else value}".rstrip())
    if facts["problems"]:
        raise typer.Exit(5)


def collect() -> dict[str, dict | list]:
    """Return versions, devices, threads, caches and problems as plain JSON values."""
    import os
    import platform
    from importlib import metadata

    import torch

    from genomelm.seq.fasta_index import cache_folder

    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    devices = {
        "cpu": platform.processor() or platform.machine(),
        "cuda": torch.version.cuda or "not in this torch",
    }
    devices |= {f"cuda:{i}": f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB" for i, gpu in enumerate(gpus)}
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = {"cpus": os.cpu_count(), "usable": usable, "torch": torch.get_num_threads()}
    threads["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "not set")
    cache = cache_folder(None)
    problem = write_problem(cache)
    return {
        "versions": versions,
        "devices": devices,
        "threads": threads,
        "caches": {"genomes": str(cache), "writable": "no" if problem else "yes"},
        "problems": [problem] if problem else [],
    }


def write_problem(folder) -> str | None:
    """Return why nothing can be written below `folder`, or None."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"the cache {folder} cannot be written ({error.strerror}): set GENOMELM_CACHE to a folder that can"
