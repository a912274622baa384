"""The opened sources of a pretraining run, and the rows that each gives of a split."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from genomelm.errors import InputError, UsageError, raise_all
from genomelm.models.config import Settings
from genomelm.models.loading import load_patcher
from genomelm.patching.config import PatcherConfig
from genomelm.patching.patcher import Patcher
from genomelm.patching.store import PatchStore
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval, check_apart
from genomelm.seq.records import Records
from genomelm.training.data_config import DataConfig, SourceConfig
from genomelm.training.record_rows import RecordRows
from genomelm.training.rows import Rows
from genomelm.training.side_tracks import SideTracks
from genomelm.training.splits import RecordSplit, genome_regions
from genomelm.training.windows import GenomeWindows

log = logging.getLogger(__name__)


class GenomeSource:
    """Regions of a genome, with its patches.

    Args:
        genome: the reference.
        patches: folder that `genomelm patch` wrote for it.
        regions: of each split.
        side: what the model is told by coordinate.
        device: of the patcher's model, where it has one.
    """

    def __init__(
        self,
        genome: Genome,
        patches: Path,
        regions: dict[str, Sequence[Interval]],
        side: SideTracks | None,
        device: torch.device,
        name: str = "genome",
        weight: float = 1.0,
        both_strands: bool = True,
    ) -> None:
        self.name, self.weight, self.both_strands = name, weight, both_strands
        self.genome, self.patches, self.regions, self.side = genome, patches, regions, side
        self.patcher = load_patcher(patches / "patcher", device)
        self.modality = self.patcher.config.alphabet
        self.store = PatchStore(patches / "store", fingerprint=self.patcher.fingerprint)
        if self.store.facts.get("fitted_on_it", True):
            fitted = [Interval.parse(text) for text in self.patcher.training]
            for split in ("validation", "test"):
                check_apart(regions.get(split, ()), fitted, "the training region of the patches' scores")

    def has(self, split: str) -> bool:
        """Whether the source has something of a split."""
        return bool(self.regions.get(split))

    def rows(
        self, split: str, window: int, patcher: Patcher, modality: str | None, step_rows: int, reach: int | None
    ) -> GenomeWindows | None:
        """Return the windows of a split; None where it has no region."""
        if not self.has(split):
            return None
        given = (self.genome, self.store, patcher, self.regions[split], window, self.side)
        return GenomeWindows(*given, both_strands=self.both_strands, modality=modality)

    def facts(self) -> dict:
        """Return what decides the rows."""
        return {
            "reference": self.genome.digest,
            **({} if self.side is None else self.side.facts()),
        }


class RecordSource:
    """Records of a file, cut by a patcher on the fly.

    Args:
        config: of the source.
        records: the file.
    """

    def __init__(self, config: SourceConfig, records: Records) -> None:
        self.name, self.weight, self.modality = config.name, config.weight, config.modality
        self.both_strands, self.records, self.split = config.both_strands, records, RecordSplit(config)

    def has(self, split: str) -> bool:
        """Whether the source has something of a split."""
        return self.split.has(split)

    def rows(
        self, split: str, window: int, patcher: Patcher, modality: str | None, step_rows: int, reach: int | None
    ) -> RecordRows | None:
        """Return the records of a split; None where nothing is held out for it."""
        if not self.has(split):
            return None
        name = f"{split} {self.split.facts}"
        given = (self.records, patcher, window, self.split.kept(split), name, step_rows, reach)
        return RecordRows(*given, both_strands=self.both_strands, modality=modality)

    def facts(self) -> dict:
        """Return what decides the rows."""
        return {"records": self.records.facts, "split": self.split.facts}


class Data:
    """All sources of a run, opened.

    Args:
        sources: at least one.
        patchers: of records, at most one a modality; a genome's own need not be given.

    Attributes:
        patchers: by modality.

    Raises:
        UsageError: two patchers of one modality.
    """

    def __init__(self, sources: Sequence[GenomeSource | RecordSource], patchers: Sequence[Patcher] = ()) -> None:
        self.sources, self.patchers = list(sources), {}
        own = [(f"source {s.name}", s.patcher) for s in self.sources if isinstance(s, GenomeSource)]
        for name, patcher in [*own, *(("patchers", patcher) for patcher in patchers)]:
            modality = patcher.config.alphabet
            if self.patchers.setdefault(modality, patcher).fingerprint != patcher.fingerprint:
                raise UsageError(
                    f"{name}: there is another patcher of {modality} before, and a model has one for each alphabet: "
                    "cut all its genomes with one (`genomelm patch --fitted`), and name no second one in 'patchers'"
                )

    @classmethod
    def of_genome(
        cls,
        genome: Genome,
        patches: Path,
        train: Sequence[Interval],
        test: Sequence[Interval],
        side: SideTracks | None,
        device: torch.device,
    ) -> "Data":
        """Return regions of one genome as data."""
        source = GenomeSource(genome, patches, {"train": train, "test": test}, side, device)
        return cls([source])

    def prepare(self, settings: Settings) -> None:
        """Check that a model can read all sources, and give modalities without a patcher that of the model file.

        Raises:
            UsageError: a source of another alphabet, or records whose patcher cuts by coordinate.
        """
        alphabet = settings.shell.alphabet
        for source in self.sources:
            if alphabet not in ("mixed", source.modality):
                genome = isinstance(source, GenomeSource)
                where = f"{source.patches} holds patches" if genome else f"source {source.name} has records"
                raise UsageError(
                    f"the model reads {alphabet}, but {where} of {source.modality}: set shell.alphabet to "
                    f"{source.modality}"
                )
            if source.modality not in self.patchers:
                log.info("%s has patches of %d letters, the model file's stride", source.modality, settings.stride)
                config = PatcherConfig("fixed_stride", stride=settings.stride, alphabet=source.modality)
                self.patchers[source.modality] = Patcher(config)
            if isinstance(source, RecordSource) and self.patchers[source.modality].placed:
                raise UsageError(
                    f"source {source.name}: its records have no coordinates, by which the patcher of {source.modality} "
                    "cuts: name one in 'patchers' that reads the letters alone"
                )

    @property
    def patcher(self) -> Patcher:
        """The patcher of the first source's modality, which a model of one alphabet has."""
        return self.patchers[self.sources[0].modality]

    def held_out(self) -> str:
        """Return the split that readings in the log are of: validation where there is one, else test.

        Raises:
            UsageError: nothing is held out.
        """
        for split in ("validation", "test"):
            if any(source.has(split) for source in self.sources):
                return split
        raise UsageError(
            "nothing is held out for readings: give a source validation or test regions, shares or a split file"
        )

    def rows(
        self, split: str, window: int, labelled: bool, step_rows: int = 1, reach: int | None = None
    ) -> list[tuple[GenomeSource | RecordSource, Rows]]:
        """Return each source's rows of a split, of the sources that have some.

        Args:
            labelled: whether rows say which alphabet they are of.
            step_rows: rows of a step.
            reach: bytes of padding between packed records; None: a record a row.
        """
        found = []
        for source in self.sources:
            patcher, modality = self.patchers[source.modality], source.modality if labelled else None
            rows = source.rows(split, window, patcher, modality, step_rows, reach)
            if rows is not None and (source.weight or split != "train"):
                found.append((source, rows))
        return found

    def facts(self) -> dict:
        """Return what decides the data, for fingerprints and provenance: of one genome its own facts."""
        if len(self.sources) == 1 and isinstance(self.sources[0], GenomeSource) and self.sources[0].both_strands:
            return self.sources[0].facts()
        told = {}
        for source in self.sources:
            told[source.name] = {"weight": source.weight, "both_strands": source.both_strands, **source.facts()}
        return {"sources": told}

    def train_regions(self) -> list[str]:
        """Return the training regions of all genomes, as text."""
        return self.regions_of("train")

    def regions_of(self, split: str) -> list[str]:
        """Return the regions of a split of all genomes, as text."""
        genomes = [source for source in self.sources if isinstance(source, GenomeSource)]
        return [str(region) for source in genomes for region in source.regions.get(split, ())]


@contextlib.contextmanager
def opened(config: DataConfig, codon: bool, conserved: bool, device: torch.device):
    """Open the sources of a data file; yields Data.

    Args:
        config: the data file.
        codon, conserved: whether the model reads codon phases and conservation.
        device: of a patcher's model.

    Raises:
        InputError: a file that cannot be read, of another alphabet, or regions that are not in it; the faults of all
            sources are named at once.
        UsageError: two patchers of one modality.
    """
    with contextlib.ExitStack() as stack:
        sources, faults = [], []
        for given in config.sources:
            try:
                sources.append(_open(given, codon, conserved, device, stack))
            except InputError as error:
                faults.append(error)
        raise_all(faults)
        yield Data(sources, [load_patcher(Path(folder) / "patcher", device) for folder in config.patchers])


def _open(
    config: SourceConfig, codon: bool, conserved: bool, device: torch.device, stack: contextlib.ExitStack
) -> GenomeSource | RecordSource:
    if config.genome is None:
        return RecordSource(config, Records(config.file, config.modality, config.group))
    genome = stack.enter_context(Genome(config.genome))
    regions = genome_regions(config, genome)
    tracks = (None if path is None else Path(path) for path in (config.codon_phase, config.conservation))
    side = stack.enter_context(SideTracks(genome, codon, conserved, *tracks))
    source = GenomeSource(
        *(genome, Path(config.patches), regions, side, device), config.name, config.weight, config.both_strands
    )
    if source.modality != config.modality:
        raise UsageError(
            f"source {config.name} is of {config.modality}, but {config.patches} holds patches of {source.modality}"
        )
    return source
