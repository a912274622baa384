"""Task data by the task's source."""

from pathlib import Path

from genomelm.errors import UsageError
from genomelm.seq.genome import Genome
from genomelm.tasks.coding import coding_examples
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples
from genomelm.tasks.faults import check_examples
from genomelm.tasks.table import table_examples
from genomelm.tasks.tokens import token_examples
from genomelm.tasks.variants import variant_examples


def read_examples(
    task: TaskConfig, data: str | Path, genome: str | Path | None = None, split: str | Path | None = None
) -> Examples:
    """Read and check the examples of a task.

    Args:
        task: the task's config.
        data: table or GFF.
        genome: FASTA, for tasks that cut windows.
        split: fixed split file, for tasks split by sequence.

    Raises:
        UsageError: a file that the source needs was not given.
        InputError: data that cannot be learned from, with row numbers.
    """
    if not Path(data).is_file():
        raise UsageError(f"--data {data} does not exist")
    if task.needs_split:
        if split is None:
            raise UsageError(f"task '{task.name}' is split by sequence: give the fixed file with --split")
        if not Path(split).is_file():
            raise UsageError(f"--split {split} does not exist")
        read = table_examples if task.source == "table" else variant_examples
        examples = read(data, task, split)
    else:
        if genome is None:
            raise UsageError(f"task '{task.name}' cuts windows from a genome: give it with --genome")
        with Genome(genome) as opened:
            cut = coding_examples if task.source == "gff_coding" else token_examples
            examples = cut(data, opened, task)
    return check_examples(examples, task, str(data))
