"""What a job of the workflow asks for: memory, and minutes, by the size of its data and how often it was tried."""

import os

from genomelm.commands.workflow_config import WorkflowConfig, is_path
from genomelm.data.manifest import Manifest

PLAIN = 3.3
"""How much larger a FASTA file is than its compressed one."""
UNKNOWN_MB = {"genome": 1000, "variants": 2000, "annotation": 100, "assay": 100, "motifs": 100, "track": 2000}
"""Kind of a manifest's row -> compressed MB that a file without `bytes` is taken to have: a human one, or more."""


def megabytes(base: float, attempt: int) -> int:
    """Return the memory of a job: `base` at first, half of it more with each retry."""
    return round(base * (1 + attempt) / 2)


def minutes(base: float, attempt: int) -> int:
    """Return the time of a job: `base` at first, as much again with each retry."""
    return max(1, round(base * attempt))


def size_mb(config: WorkflowConfig, manifest: Manifest, name: str | None) -> float:
    """Return the compressed size of a data file in MB, known before it is fetched; 0 of no file.

    A row of the manifest without `bytes` has the size of a large file of its kind (`UNKNOWN_MB`).
    """
    if name is None:
        return 0.0
    if name in config.assays:
        name = config.assays[name].table
    if not is_path(name):
        row = manifest.row(name)
        return UNKNOWN_MB[row.kind] if row.bytes is None else row.bytes / 1e6
    return os.path.getsize(name) / (1e6 if name.endswith("gz") else 1e6 * PLAIN)
