"""The entries of a workflow's config: patchings, models, tasks, backgrounds, scores and what is explained."""

import dataclasses
import shlex

from genomelm.patching.parameters import PARAMETERS, SCORED
from genomelm.settings import setting

# No causal model may have the optimum of its own bytes' scores, no masked one any scores of them: not optimal.
MODES = tuple(mode for mode in PARAMETERS if mode not in ("optimal", "given"))
DATA = "a name in the manifest, or a path (with a /)"


@dataclasses.dataclass(frozen=True)
class PatchConfig:
    """One way to cut a genome into patches."""

    mode: str = setting("entropy", "how starts are chosen", choices=MODES)
    mean: float = setting(8.0, "mean patch length in bases", minimum=1)
    order: int = setting(11, "context length of the count model, for modes that read scores", minimum=1, maximum=12)
    min: int = setting(1, "fewest bases a patch (length_constrained)", minimum=1)
    max: int = setting(64, "most bases a patch (greedy, length_constrained)", minimum=1)
    multiple: int = setting(1, "patches have a multiple of so many bases (length_constrained)", minimum=1)
    delta: float = setting(0.0, "what the rise of the score must exceed (dual_threshold)")
    genome: str | None = setting(None, f"the genome that is cut: {DATA}; none: the workflow's")
    train_regions: tuple[str, ...] = setting((), "intervals C:a-b to fit and train on; none: the workflow's")
    test_regions: tuple[str, ...] = setting((), "intervals C:a-b that are held out; none: the workflow's")
    fitted: str | None = setting(None, "another patching, which is applied to this genome as it is")

    @property
    def reads_scores(self) -> bool:
        """Whether a base is needed to place the patches after it: what a masked model must not see."""
        return self.mode in SCORED

    @property
    def options(self) -> str:
        """What `genomelm patch` is told: the mode, its mean, and the parameters that it reads."""
        read = [name for name in ("min", "max", "multiple", "delta") if name in PARAMETERS[self.mode]]
        named = ["mode", "mean", *(["order"] if self.reads_scores else []), *read]
        return " ".join(f"--{name} {getattr(self, name)}" for name in named)


@dataclasses.dataclass(frozen=True)
class ModelUse:
    """One model: a trained one in a folder, or a model file, which is pretrained on the genome when it has patches and
    train, else trained from scratch by its tasks.
    """

    model: str | None = setting(None, "model file (YAML)")
    folder: str | None = setting(None, "folder of a trained model, instead of a model file")
    patches: str | None = setting(None, "name of the patching; give train too")
    train: str | None = setting(None, "training file of the language model (YAML); give patches too")
    data: str | None = setting(
        None, "data file of several sources (YAML) to pretrain on; held-out bases are still those of patches"
    )
    long_window: int | None = setting(None, "bases of one long window that is measured beside the others", minimum=16)

    @property
    def pretrained(self) -> bool:
        """Whether a language model is trained before the tasks."""
        return self.train is not None

    @property
    def given(self) -> bool:
        """Whether it was trained before."""
        return self.folder is not None


@dataclasses.dataclass(frozen=True)
class TaskUse:
    """One labelled task: its files, its data, and the models that learn it."""

    task: str = setting(help="task file (YAML)")
    train: str = setting(help="training file (YAML)")
    data: str = setting(help=f"labelled data: {DATA}")
    models: tuple[str, ...] = setting(help="names of the models that learn it")
    split: str | None = setting(None, f"split table: {DATA}")
    seeds: tuple[int, ...] = setting((), "seeds of its runs; none: those of the config")
    genome: str | None = setting(None, f"genome that examples are cut from: {DATA}; none: the workflow's")
    labels: str | None = setting(None, f"table of a VCF's labels: {DATA}")


@dataclasses.dataclass(frozen=True)
class AssayConfig:
    """A table of measured variants, which becomes a VCF: data of that name, with the measurement as INFO key EFFECT."""

    table: str = setting(help=f"table, CSV, TSV, Parquet or .xlsx: {DATA}")
    label: str = setting(help="column of the measurement")
    contig: str = setting("contig", "column of the contig")
    pos: str = setting("pos", "column of the position, 1-based")
    ref: str = setting("ref", "column of the reference allele")
    alt: str = setting("alt", "column of the alternative allele")
    keep: dict[str, str] = setting(help="column -> value of the rows that are taken", factory=dict)
    header: int = setting(1, ".xlsx: line of the header", minimum=1)
    genome: str | None = setting(None, f"reference: {DATA}; none: the workflow's")

    @property
    def options(self) -> str:
        """What `genomelm assay` is told of the table, quoted for a shell."""
        named = {key: getattr(self, key) for key in ("label", "contig", "pos", "ref", "alt")}
        texts = [f"--{key} {shlex.quote(value)}" for key, value in named.items()]
        texts += [f"--keep {shlex.quote(f'{column}={value}')}" for column, value in self.keep.items()]
        return " ".join([*texts, *([f"--header {self.header}"] if self.header != 1 else [])])


@dataclasses.dataclass(frozen=True)
class BackgroundConfig:
    """Variants whose scores others are placed among, by class: at random places, or a fixed subset of a VCF."""

    genome: str | None = setting(None, f"reference: {DATA}; none: the workflow's")
    variants: str | None = setting(None, f"VCF whose alleles are drawn, such as common ones: {DATA}; none: any places")
    per_class: int = setting(200, "variants a class: 96 of substitutions, 17 by length", minimum=1)
    seed: int = setting(0, "which places are drawn", minimum=0)
    width: int = setting(1024, "reference bases around each variant", minimum=2)


@dataclasses.dataclass(frozen=True)
class ScoreConfig:
    """One set of variants to score: a VCF, or every single-base change of an interval."""

    model: str = setting(help="name of the model")
    genome: str | None = setting(None, f"reference: {DATA}; none: the workflow's")
    task: str | None = setting(
        None, "name of a task of the model, whose first seed is used; none: its language model, or the folder as it is"
    )
    variants: str | None = setting(None, f"VCF: {DATA}")
    saturate: str | None = setting(None, "interval C:a-b (1-based, inclusive) to score every single-base change of")
    regions: str | None = setting(None, f"BED, only these variants: {DATA}")
    window: str | None = setting(None, "fixed model window C:a-b, with :- for the reverse strand")
    width: int = setting(1024, "reference bases around each variant, without window", minimum=2)
    background: str | None = setting(None, "name of a background, for percentiles")
    records: int | None = setting(
        None, "about how many records the VCF has; none: told by the file, or by its size in the manifest", minimum=1
    )
    shard_size: int | None = setting(None, "records a job; none: the workflow's", minimum=1)


@dataclasses.dataclass(frozen=True)
class InterpretConfig:
    """One interval, or the regions of a BED file, to explain."""

    model: str = setting(help="name of the model")
    interval: str | None = setting(None, "interval C:a-b, with :- for the reverse strand")
    regions: str | None = setting(None, f"BED instead of an interval: {DATA}")
    genome: str | None = setting(None, f"reference: {DATA}; none: the workflow's")
    task: str | None = setting(None, "name of a task of the model, all its seeds are used; none: its language model")
    sites: str | None = setting(None, f"table of known sites: {DATA}")
    width: int | None = setting(None, "regions: bases around each middle; none: all are of one length", minimum=2)
    motifs: tuple[str, ...] = setting((), f"regions: motif databases (MEME), each {DATA}")
    jaspar: str | None = setting(None, "regions: group of JASPAR's motifs, such as vertebrates (needs pyjaspar)")
