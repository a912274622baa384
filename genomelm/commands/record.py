"""`genomelm record`: one file that says how all results of a workflow's run came to be."""

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

logger = logging.getLogger(__name__)


def record(
    targets: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Last files of the run, as the rules name them.")
    ],
    workflow: Annotated[Path, typer.Option("--workflow", help="Folder of the workflow's Snakefile.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="JSON file to write, in the results folder.")],
) -> None:
    """Write versions, config, jobs with their commands, and the digests of all inputs and outputs of a run.

    The workflow's last rule runs this in the working directory, and gives it the config as JSON on standard input.
    `genomelm repeat` makes a directory from the file.
    """
    from importlib import metadata

    from genomelm.bench.machine import machine
    from genomelm.commands.workflow_record import described, devices, job_records, jobs_of, result_files
    from genomelm.errors import UsageError
    from genomelm.files import sha256, write_json

    try:
        mapping = json.load(sys.stdin)
        results = mapping["results"]
    except (ValueError, KeyError, TypeError):
        raise UsageError("standard input is not the JSON text of a workflow's config") from None
    jobs, first = jobs_of(targets, job_records())
    if not jobs:
        logger.warning("Snakemake's records of its jobs are not in .snakemake/metadata: the file names no commands")
    texts, bundled = named_files(mapping, workflow)
    inputs = [described(path, workflow, True) for path in sorted({*texts, *filter(is_config, first)})]
    rest = {*bundled, *first} - set(targets) - texts
    inputs += [
        described(path, workflow, False) for path in sorted(rest) if Path(path).is_file() and not is_config(path)
    ]
    rules = {path: job["rule"] for job in jobs for path in job["outputs"]}
    paths = [path for path in result_files(results) if Path(path).resolve() != out.resolve()]
    facts = machine(snakemake=metadata.version("snakemake"), devices=devices(paths))
    write_json(
        out,
        {
            "kind": "run",
            "config": mapping,
            "inputs": inputs,
            "gone": [path for path in first if not Path(path).is_file()],
            "jobs": jobs,
            "outputs": [
                {"path": path, "bytes": Path(path).stat().st_size, "sha256": sha256(path), "rule": rules.get(path)}
                for path in paths
            ],
            "provenance": facts,
        },
    )
    logger.info("%s: %d jobs, %d inputs, %d outputs", out, len(jobs), len(inputs), len(paths))


def is_config(path: str) -> bool:
    """Tell whether a file configures models, tasks or training: its text is kept, for a run to be repeated."""
    return path.endswith((".yaml", ".yml"))


def named_files(mapping: dict[str, Any], workflow: Path) -> tuple[set[str], set[str]]:
    """Return what a config reads without a rule's naming it: tables of names, and copies of data beside them."""
    from genomelm.commands.workflow_checks import read_workflow_config

    flow, manifest = read_workflow_config(mapping, workflow)
    texts, bundled = {str(flow.sheet)} if flow.sheet else set(), set()
    names = flow.data_names()
    if manifest is not None and names:
        tables = Path(flow.manifest)
        texts |= {str(path) for path in (tables.glob("*.tsv") if tables.is_dir() else (tables, manifest.lock_path))}
        bundled = {str(row.bundled) for name in names if (row := manifest.row(name)).bundled}
    return {path for path in texts if Path(path).is_file()}, bundled
