"""Task data by the task's source."""

from pathlib import Path

from genomelm.errors import UsageError
from genomelm.seq.genome import Genome
from genomelm.tasks.coding import coding_examples
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import Examples, check_examples
from genomelm.tasks.table import table_examples


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
        InputError: data that cannot be learned from.
    """
    if not Path(data).is_file():
        raise UsageError(f"--data {data} does not exist")
    if task.source == "table":
        examples = table_examples(data, task, split)
    else:
        if genome is None:
            raise UsageError(f"task '{task.name}' cuts windows from a genome: give it with --genome")
        with Genome(genome) as opened:
            examples = coding_examples(data, opened, task)
    return check_examples(examples, task.kind, str(data))
