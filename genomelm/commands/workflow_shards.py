"""Into how many jobs the scoring of a VCF is split: known before it is fetched, and the same in every job.

Every job reads the config anew and must find the same number. So it comes from the config, the manifest and the
content of the file alone, which stay while a run lasts; an index may appear beside a file meanwhile, and is not asked.
"""

import math
from collections.abc import Collection
from pathlib import Path

from genomelm.commands.workflow_config import WorkflowConfig, is_path
from genomelm.commands.workflow_records import records_in
from genomelm.data.manifest import Manifest

RECORD_BYTES = 50
"""Bytes of a manifest's compressed record, where nothing says how many there are: ClinVar 50, dbSNP 25, gnomAD 500."""


def records_of(config: WorkflowConfig, name: str, manifest: Manifest) -> int:
    """Return about how many records a scored VCF has: what the config says, else what its content or size says.

    The config's checks refuse an entry whose file has neither `records` nor a size in the manifest; of one that is
    read without them (`genomelm plan --count`) this is 0.
    """
    use = config.scores[name]
    if use.records is not None or use.variants is None or use.variants in config.assays:
        return use.records or 0
    if is_path(use.variants):
        return records_in(Path(use.variants))
    return -(-(manifest.row(use.variants).bytes or 0) // RECORD_BYTES)


def record_faults(config: WorkflowConfig, manifest: Manifest, counted: Collection[str] = ()) -> list[str]:
    """Return the entries of which nothing says how many records they have: they would be one job, however large.

    Args:
        counted: names of entries whose records are told elsewhere.
    """
    found = []
    for name, use in config.scores.items():
        row = None if use.variants in config.assays else manifest.rows.get(use.variants)
        if row is not None and row.bytes is None and use.records is None and name not in counted:
            found.append(
                f"scores.{name}.records: the manifest has no size of '{use.variants}', which says how many jobs score "
                "it: give about how many records it has, such as records: 4000000"
            )
    return found


def shard_count(config: WorkflowConfig, name: str, manifest: Manifest) -> int:
    """Return how many jobs score an entry; 1 where it has no more records than a shard."""
    size = config.scores[name].shard_size or config.shard_size
    return max(1, math.ceil(records_of(config, name, manifest) / size))
