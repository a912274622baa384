"""Task data by the task's source."""

from pathlib import Path

from genomelm.errors import UsageError
from genomelm.seq.genome import Genome
from genomelm.tasks.bed import bed_examples
from genomelm.tasks.bigwig import track_examples
from genomelm.tasks.coding import coding_examples
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.fasta import fasta_examples
from genomelm.tasks.faults import check_examples
from genomelm.tasks.gff_classes import gff_class_examples
from genomelm.tasks.sequences import table_examples
from genomelm.tasks.tokens import token_examples
from genomelm.tasks.variants import variant_examples
from genomelm.tasks.vcf import vcf_examples

ROWS = {"table": table_examples, "fasta": fasta_examples, "variant_names": variant_examples}
WINDOWS = {
    "gff_coding": coding_examples,
    "gff_tokens": token_examples,
    "gff_classes": gff_class_examples,
    "bigwig": track_examples,
}


def read_examples(
    task: TaskConfig,
    data: str | Path,
    genome: str | Path | None = None,
    split: str | Path | None = None,
    labels: str | Path | None = None,
) -> Examples:
    """Read and check the examples of a task.

    Args:
        task: the task's config.
        data: table, FASTA, BED, GFF, bigWig or VCF.
        genome: FASTA, for tasks that cut windows.
        split: fixed split file, for rows of tasks that do not say how they are split.
        labels: table of labels, for a VCF.

    Raises:
        UsageError: a file that the source needs was not given, or one was given that it does not read.
        InputError: data that cannot be learned from, with row numbers.
    """
    _check_files(task, data, genome, split, labels)
    if task.source in ROWS:
        examples = ROWS[task.source](data, task, split)
    else:
        with Genome(genome) as opened:
            if task.source in WINDOWS:
                examples = WINDOWS[task.source](data, opened, task)
            elif task.source == "bed":
                examples = bed_examples(data, opened, task, split)
            else:
                examples = vcf_examples(data, opened, task, split, labels)
    return check_examples(examples, task, str(data))


def _check_files(
    task: TaskConfig,
    data: str | Path,
    genome: str | Path | None,
    split: str | Path | None,
    labels: str | Path | None,
) -> None:
    for option, file in (("data", data), ("split", split), ("labels", labels)):
        if file is not None and not Path(file).is_file():
            raise UsageError(f"--{option} {file} does not exist")
    if task.needs_split and split is None:
        raise UsageError(
            f"task '{task.name}' is split by sequence: give the fixed file with --split, or say in the task how to "
            "split it (split.by)"
        )
    if not task.needs_split and split is not None:
        raise UsageError(f"task '{task.name}' says itself how it is split; leave out --split {split}")
    if task.needs_genome and genome is None:
        raise UsageError(f"task '{task.name}' cuts windows from a genome: give it with --genome")
    if labels is not None and task.source != "vcf":
        raise UsageError(
            f"--labels {labels} is of source vcf, and task '{task.name}' is of {task.source}: leave it out"
        )
