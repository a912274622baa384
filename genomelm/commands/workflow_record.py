"""The record of a whole run of the workflow: its config, inputs, jobs and outputs, each file with its digest."""

import json
import os
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Iterator
from pathlib import Path

from genomelm.files import sha256

METADATA = Path(".snakemake/metadata")
"""Where Snakemake keeps what it knows of each output: one JSON file each, named by the output's path in base64."""
NOT_RESULTS = {"logs", "benchmarks", "published"}
"""Folders directly below the results that hold no results."""
UNFINISHED = (".state", ".parts")
"""Ends of the names of folders in which a job keeps what it needs to go on."""


def job_records(directory: str | Path = ".") -> dict[str, dict]:
    """Return what Snakemake recorded of each output in a working directory: path -> record.

    Records that are cut short (another Snakemake is at work) are left out.
    """
    found = {}
    root = Path(directory) / METADATA
    for file in sorted(root.rglob("*")):
        if file.is_file():
            # Long names are parted: all parts but the last are folders whose names begin with @.
            name = "".join(part.removeprefix("@") for part in file.relative_to(root).parts)
            try:
                found[urlsafe_b64decode(name).decode()] = json.loads(file.read_text())
            except ValueError:
                continue
    return found


def jobs_of(targets: Iterable[str], records: dict[str, dict]) -> tuple[list[dict], list[str]]:
    """Walk back from the last files of a run to its first ones.

    Args:
        targets: paths of the last files, as Snakemake names them.
        records: of `job_records`; those of other runs in the same directory are not reached.

    Returns:
        the jobs, sorted by rule and outputs, and the paths of files that no job made.
    """
    jobs: dict[tuple, dict] = {}
    for path, record in records.items():
        key = _job(record)
        job = jobs.setdefault(key, {"rule": key[0], "command": key[1], "inputs": list(key[2]), "outputs": []})
        job["outputs"].append(path)
        if record.get("starttime") and record.get("endtime"):
            job["seconds"] = round(record["endtime"] - record["starttime"], 1)
    first, reached, seen, waiting = [], set(), set(), list(targets)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        if path not in records:
            first.append(path)
            continue
        reached.add(_job(records[path]))
        waiting += records[path]["input"] or []
    found = sorted((jobs[key] for key in reached), key=lambda job: (job["rule"], sorted(job["outputs"])))
    return [{**job, "outputs": sorted(job["outputs"])} for job in found], sorted(first)


def _job(record: dict) -> tuple[str, str | None, tuple[str, ...]]:
    """Return what the outputs of one job have in common: rule, command and inputs."""
    return record["rule"], record["shellcmd"], tuple(sorted(record["input"] or []))


def result_files(results: str | Path) -> Iterator[str]:
    """Yield the paths of finished files below a results folder, without logs, benchmarks and hidden files."""
    for folder, names, files in os.walk(results):
        top = os.path.samefile(folder, results)
        names[:] = sorted(
            name
            for name in names
            if not (name.startswith(".") or name.endswith(UNFINISHED) or (top and name in NOT_RESULTS))
        )
        yield from (os.path.join(folder, name) for name in sorted(files) if not name.startswith("."))


def described(path: str, workflow: Path, with_text: bool) -> dict:
    """Return one input: its path, where that begins, its size and digest, and its text where that is wanted.

    Args:
        path: as the run names it, relative to the working directory or absolute.
        workflow: folder of the workflow's own files, whose paths are kept relative to it.
        with_text: keep the text, so that the file can be written again: of config files and tables of names only.
    """
    whole = Path(os.path.abspath(path))  # as it is called, not where a link leads: a model's folder may be of links
    if whole.is_relative_to(Path.cwd()):
        place, name = "directory", whole.relative_to(Path.cwd())
    elif whole.resolve().is_relative_to(workflow.resolve()):
        place, name = "workflow", whole.resolve().relative_to(workflow.resolve())
    else:
        place, name = "elsewhere", whole
    found = {"path": str(name), "in": place, "bytes": whole.stat().st_size, "sha256": sha256(whole)}
    return {**found, "text": whole.read_text(encoding="utf-8")} if with_text else found


def devices(paths: Iterable[str]) -> list[str]:
    """Return the devices that the provenance in JSON outputs names."""
    found = set()
    for path in paths:
        if path.endswith(".json"):
            value = json.loads(Path(path).read_text())
            facts = value.get("provenance") if isinstance(value, dict) else None
            if isinstance(facts, dict) and isinstance(facts.get("device"), str):
                found.add(facts["device"])
    return sorted(found)
