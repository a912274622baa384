"""What a data file of several sources (configs/data/README.md) means to a workflow: files, some of them made by it."""

from genomelm.errors import UsageError
from genomelm.settings import from_mapping, read_yaml
from genomelm.training.data_config import DataConfig

FILES = ("genome", "fasta", "fastq", "codon_phase", "conservation", "split")


def read_sources(path: str) -> DataConfig:
    """Read a data file without looking for the files that it names: the workflow may have to make them.

    Raises:
        UsageError: missing, no YAML, or with faults of shape.
    """
    return from_mapping(DataConfig, read_yaml(path), source=path)


def source_files(path: str) -> list[tuple[str, str, bool]]:
    """Return (key, path, whether it is a folder of patches) for what a data file names; nothing if it is faulty."""
    try:
        config = read_sources(path)
    except UsageError:
        return []
    named = [
        (f"sources.{n}.{key}", value, key == "patches")
        for n, source in enumerate(config.sources)
        for key in (*FILES, "patches")
        if (value := getattr(source, key)) is not None
    ]
    return named + [(f"patchers.{n}", folder, True) for n, folder in enumerate(config.patchers)]
