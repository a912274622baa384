"""The disk that a run of the workflow takes, from what files of the same kinds took."""

from pathlib import Path

from genomelm.commands.plan_work import Work
from genomelm.commands.workflow_config import is_path

START_BITS, SCORE_BYTES = 1 / 8, 2
"""Bytes a base of a patch store: a start bit, and a score of 16 bits where patches come from scores."""
BED = 5.2
"""Bytes of a patch in patches.bed.gz (the demo: 3,039,074 bytes for 580,000 patches)."""
SCORED = 13.0
"""Bytes that a scored allele adds to a bgzipped VCF (the demo: 2,904 bytes for 225 records with nothing else)."""
RECORD = 500
"""Bytes of a record with many INFO fields, bgzipped, where a file's size is not known: gnomAD's have about as many."""
ROW = 32.0
"""Bytes of a row of the table (the demo: 78,509 bytes for 2,428 rows)."""
TRAINING = 4
"""Copies of the parameters in a checkpoint: weights, two moments and, where asked for, the mean."""


def storage(work: Work) -> dict[str, float]:
    """Return the bytes of each part of a results folder, and of what is there for a time."""
    flow = work.flow
    sizes = {name: float(work.manifest.row(name).bytes or 0) for name in flow.data_names()}
    guessed = {use.variants: name for name, use in flow.scores.items() if sizes.get(use.variants) == 0}
    sizes |= {file: float(RECORD * work.records(name)) for file, name in guessed.items()}
    if guessed:
        work.note(f"sizes counted as {RECORD} bytes a record, as the manifest has none: {', '.join(sorted(guessed))}")
    if unknown := sorted(name for name, size in sizes.items() if not size):
        work.note(f"sizes of {', '.join(unknown)} are not in the manifest, and not in the storage")
    found = {"data, fetched": sum(sizes.values())}
    found["data, as published, until indexed (the largest)"] = max(sizes.values(), default=0.0)
    for name, use in flow.patches.items():
        bases = work.bases(flow.genome_of(use))
        found[f"patches {name}"] = bases * (START_BITS + SCORE_BYTES * use.reads_scores + BED / use.mean)
    for name, use in flow.models.items():
        if use.pretrained:
            train = work.train(use.train)
            size = 4.0 * work.parameters(name)
            found[f"model {name}"] = size
            found[f"checkpoints {name}"] = size * TRAINING * train.keep_checkpoints
    for name, use in flow.tasks.items():
        for model in use.models:
            found[f"models {model} {name}"] = 4.0 * work.parameters(model) * len(flow.seeds_of(name))
    for name, use in flow.scores.items():
        records = work.records(name)
        size = 0.0
        if use.variants is not None:
            size = float(Path(use.variants).stat().st_size) if is_path(use.variants) else sizes[use.variants]
        found[f"scores {name}"] = size + records * (SCORED + ROW)
        if records > (use.shard_size or flow.shard_size):
            found[f"scores {name}, parts until merged"] = size + records * (SCORED + ROW)
    return found
