"""A data file of configs/data: what a language model is pretrained on."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genomelm.errors import UsageError
from genomelm.settings import from_mapping, read_yaml, setting

SPLITS = ("train", "validation", "test")
GENOME_KEYS = ("patches", "train", "validation", "test", "codon_phase", "conservation")
RECORD_KEYS = ("group", "validation_share", "test_share", "split")


@dataclass(frozen=True)
class SourceConfig:
    """One source of sequences: a genome with its patches, or a file of records."""

    name: str = setting(help="how logs and messages call it: letters, digits and _")
    modality: str = setting("dna", "alphabet of its letters", choices=("dna", "rna", "protein"))
    weight: float = setting(1.0, "share of the rows of a step, relative to the other sources'", minimum=0)
    reverse_complement: bool | None = setting(None, "read either strand; null: where it is DNA")
    genome: str | None = setting(None, "genome FASTA, plain, gzip or bgzip; needs patches")
    patches: str | None = setting(None, "genome: folder that `genomelm patch` wrote for it")
    train: tuple[str, ...] = setting(
        (), "genome: contigs, intervals C:a-b (1-based, inclusive) or BED files; none: every other contig"
    )
    validation: tuple[str, ...] = setting((), "genome: the same of the readings in the log")
    test: tuple[str, ...] = setting((), "genome: the same of what training never reads")
    codon_phase: str | None = setting(None, "genome: GFF3 or GTF, for models with positions.codon")
    conservation: str | None = setting(None, "genome: bigWig, bedGraph or BED, for models with branches.conservation")
    fasta: str | None = setting(None, "records: FASTA, plain, gzip or bgzip")
    fastq: str | None = setting(None, "records: FASTQ, plain, gzip or bgzip; qualities are not read")
    group: str | None = setting(
        None, "records: regular expression with one group: what it finds in a name goes to one split; null: the name"
    )
    validation_share: float = setting(0.0, "records: share of the groups for readings", minimum=0, maximum=0.5)
    test_share: float = setting(0.0, "records: share of the groups that training never reads", minimum=0, maximum=0.5)
    split: str | None = setting(None, "records: TSV of group and split, instead of shares; others are for training")

    @property
    def file(self) -> str:
        """The sequences' file."""
        return self.genome or self.fasta or self.fastq

    @property
    def both_strands(self) -> bool:
        """Whether rows are read on either strand."""
        return self.modality == "dna" if self.reverse_complement is None else self.reverse_complement

    def faults(self) -> Iterator[str]:
        """Yield what is wrong with the source, a sentence each."""
        if not re.fullmatch(r"\w+", self.name, re.ASCII):
            yield f"name '{self.name}' may have letters, digits and _ only"
        given = [key for key in ("genome", "fasta", "fastq") if getattr(self, key) is not None]
        if len(given) != 1:
            yield f"give one of genome, fasta and fastq, not {' and '.join(given) or 'none'}"
        wrong = RECORD_KEYS if "genome" in given else GENOME_KEYS
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        if odd := [key for key in wrong if getattr(self, key) != defaults[key]] if len(given) == 1 else []:
            yield f"{', '.join(odd)} {'do' if len(odd) > 1 else 'does'} not belong to a source with {given[0]}"
        if "genome" in given and self.patches is None:
            yield "a genome needs patches: make them with `genomelm patch`"
        if self.split is not None and (self.validation_share or self.test_share):
            yield "give a split file or shares, not both"
        if self.reverse_complement and self.modality != "dna":
            yield f"reverse_complement is of dna, and the modality is {self.modality}: leave it out"
        if self.group is not None:
            try:
                if re.compile(self.group).groups != 1:
                    yield f"group '{self.group}' must have one group, in parentheses"
            except re.error as error:
                yield f"group '{self.group}' is no regular expression ({error})"
        for key in ("genome", "patches", "codon_phase", "conservation", "fasta", "fastq", "split"):
            path = getattr(self, key)
            if path is not None and not Path(path).exists():
                yield f"{key} {path} does not exist"


@dataclass(frozen=True)
class DataConfig:
    """All sources of a run."""

    sources: tuple[SourceConfig, ...] = setting(help="where rows come from")
    patchers: tuple[str, ...] = setting(
        (),
        "folders of `genomelm patch` whose patchers cut records, one a modality; without one a modality has the "
        "patcher of its genomes, and else patches of the model file's stride",
    )

    def faults(self) -> Iterator[str]:
        """Yield what is wrong, a sentence each."""
        if not self.sources:
            yield "sources is empty: name at least one"
        names = [source.name for source in self.sources]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            yield f"sources: the name {', '.join(twice)} is there more than once"
        for number, source in enumerate(self.sources):
            yield from (f"sources.{number} ({source.name}): {fault}" for fault in source.faults())
        if self.sources and not sum(source.weight for source in self.sources):
            yield "sources: all weights are 0"
        for folder in self.patchers:
            if not (Path(folder) / "patcher").is_dir():
                yield f"patchers: {folder} is no folder that `genomelm patch` wrote"


def read_data_file(path: str | Path) -> DataConfig:
    """Read a data file; paths in it are as the command line's, from the working directory on.

    Raises:
        UsageError: missing, no YAML, or with faults, all named at once.
    """
    config = from_mapping(DataConfig, read_yaml(path), source=str(path))
    if found := list(config.faults()):
        raise UsageError(f"{path}: {len(found)} {'fault' if len(found) == 1 else 'faults'}\n  " + "\n  ".join(found))
    return config


def is_bed(text: str) -> bool:
    """Whether a region's text names a BED file."""
    return text.endswith((".bed", ".bed.gz"))
