"""Into how many jobs the scoring of a VCF is split: known before it is fetched, and the same in every job."""

import math
from pathlib import Path

from genomelm.commands.workflow_config import WorkflowConfig, is_path
from genomelm.data.manifest import Manifest

RECORD_BYTES = 50
"""Bytes of a compressed record, where nothing says how many there are: ClinVar has 50, dbSNP 25, gnomAD 500."""


def records_of(config: WorkflowConfig, name: str, manifest: Manifest) -> int:
    """Return about how many records a scored VCF has: what the config says, else its index, else its size's share."""
    use = config.scores[name]
    if use.records is not None or use.variants is None or use.variants in config.assays:
        return use.records or 0
    if not is_path(use.variants):
        return -(-(manifest.row(use.variants).bytes or 0) // RECORD_BYTES)
    path = Path(use.variants)
    indexed = _indexed_records(path)
    return indexed if indexed is not None else -(-path.stat().st_size // RECORD_BYTES)


def shard_count(config: WorkflowConfig, name: str, manifest: Manifest) -> int:
    """Return how many jobs score an entry; 1 where it has no more records than a shard."""
    size = config.scores[name].shard_size or config.shard_size
    return max(1, math.ceil(records_of(config, name, manifest) / size))


def _indexed_records(path: Path) -> int | None:
    """Return what a .tbi or .csi beside the file counts; None without one."""
    import pysam.bcftools

    index = next((i for i in (Path(f"{path}.tbi"), Path(f"{path}.csi")) if i.is_file()), None)
    if index is None:
        return None
    try:
        return int(pysam.bcftools.index("--nrecords", str(path)))
    except (pysam.SamtoolsError, ValueError):
        return None
