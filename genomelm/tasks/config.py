"""A task file of configs/tasks: where examples and labels come from, and how results are judged."""

from dataclasses import dataclass

import numpy as np

from genomelm.errors import UsageError
from genomelm.seq.alphabet import ALPHABETS
from genomelm.settings import setting
from genomelm.tasks.config_faults import config_faults
from genomelm.tasks.sources import GENOMIC, KINDS, SOURCES, WIDTH, WINDOWS
from genomelm.tasks.split_config import SplitConfig


@dataclass(frozen=True)
class TaskConfig:
    """One labelled task. configs/tasks/README.md describes the files of each source."""

    name: str = setting(help="name of the task; VCF tags are GLM_<NAME>")
    kind: str = setting("regression", "what is learned", choices=KINDS)
    source: str = setting(
        "table",
        "a table of sequences; a FASTA with labels in its headers; BED intervals; windows of a genome by its GFF "
        "(coding against intergenic, bases in a CDS or not, classes of features) or by a bigWig; a VCF; or a table of "
        "variant names",
        choices=tuple(SOURCES),
    )
    alphabet: str = setting("dna", "letters of the sequences", choices=tuple(ALPHABETS))
    sequence_column: str = setting("sequence", "table: column of the sequence")
    alt_column: str | None = setting(
        None, "table, variant_effect: column of the alternate; the sequence is then the reference, each row's own"
    )
    label_column: str | None = setting(
        None,
        "column of the label; bed: name, score, a number or the name in a # line; fasta: a key of the header (default: "
        "label) or a field's number; vcf: an INFO key, or a column of --labels",
    )
    label_columns: tuple[str, ...] = setting(
        (), "instead of label_column: several numbers, or of a sequence_classification several labels of 0 and 1"
    )
    bin_columns: tuple[str, ...] = setting((), "table: count columns; the label is the mean bin index")
    classes: tuple[str, ...] = setting((), "classification: the labels, as the file spells them; none: 0 and 1")
    features: dict[str, str] = setting(
        factory=dict, help="gff_classes: feature type -> class; where features overlap, the first one's"
    )
    background: str | None = setting(None, "gff_classes: class of what lies outside every feature; none: left out")
    variant_column: str | None = setting(
        None, "variant_names: column of names like N127D,A178H, substitutions of the reference"
    )
    first_position: int = setting(1, "variant_names: number of the reference's first letter")
    reference: str | None = setting(
        None,
        "wild type; its patches are used for every example, which have its length: one segmentation for all alleles",
    )
    two_strands: bool = setting(False, "a sequence and its reverse complement share their label")
    per_base: bool = setting(False, "bigwig: learn the value of each base, not the window's mean")
    window: int | None = setting(
        None,
        f"bases a window (default {WIDTH}); bed: around the middle of each interval (default: the interval itself)",
        minimum=3,
    )
    stride: int = setting(25, "gff_coding, gff_classes: step between training windows", minimum=1)
    windows: int = setting(
        20000, "gff_tokens, gff_classes, bigwig: most windows of a split; more are thinned", minimum=1
    )
    token_step: int = setting(16, "labels of bases are judged at every so many-th base", minimum=1)
    split: SplitConfig = setting(factory=SplitConfig, help="how examples are put into training, validation and test")
    weight: float = setting(1.0, "weight among several tasks that are trained together", minimum=0)
    target: float | None = setting(None, "metric to reach")
    target_over_baseline: float | None = setting(None, "margin to reach over the strongest baseline")

    def __post_init__(self) -> None:
        if faults := config_faults(self):
            raise UsageError(f"task '{self.name}': " + "; ".join(faults))

    @property
    def metric(self) -> str:
        """Name of the metric that decides; `metrics` has all."""
        return self.metrics[0]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics (tasks/metrics.py) of its predictions."""
        if self.kind.endswith("_classification"):
            return ("auroc" if self.outputs == 1 else "macro_auroc", "accuracy", "mcc")
        return ("pearson",) if self.outputs == 1 else ("mean_pearson",)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers; none where labels are 0 and 1 already."""
        if self.source != "gff_classes":
            return self.classes
        return tuple(dict.fromkeys([*self.features.values(), *([self.background] if self.background else [])]))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the labels are read from."""
        if self.source == "fasta" and not (self.label_column or self.label_columns):
            return ("label",)
        return (self.label_column,) if self.label_column else self.label_columns or self.bin_columns

    @property
    def outputs(self) -> int:
        """Outputs of the head: 1 for a number or two classes, else one for each class, label or number."""
        classes = len(self.class_names)
        return classes if classes > 2 else max(1, len(self.label_columns))

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of several outputs, in order; none of a single one."""
        if self.outputs == 1:
            return ()
        return self.label_columns or self.class_names

    @property
    def multi_label(self) -> bool:
        """Whether labels of 0 and 1 stand beside each other, which do not exclude each other."""
        return self.kind == "sequence_classification" and len(self.label_columns) > 1

    @property
    def of_bases(self) -> bool:
        """Whether each base has a label."""
        return self.kind == "token_classification" or self.per_base

    @property
    def width(self) -> int:
        """Bases of a window."""
        return self.window or WIDTH

    @property
    def largest_k(self) -> int:
        """Longest k-mer of the k-mer baseline: 6 bases, 2 residues."""
        return 2 if self.alphabet == "protein" else 6

    @property
    def kmer_baseline(self) -> str:
        """Name of the k-mer baseline, which `target_over_baseline` is measured from."""
        return f"kmer_1_{self.largest_k}"

    @property
    def needs_split(self) -> bool:
        """Whether a fixed split file is needed: the task does not say how its rows are split."""
        return self.source not in WINDOWS and self.split.way == "given"

    @property
    def needs_genome(self) -> bool:
        """Whether the examples are cut from a genome."""
        return self.source in GENOMIC

    def judged(self, values: np.ndarray) -> np.ndarray:
        """Return the entries that the metrics read.

        Args:
            values: labels or predictions of every base, (n, l) or (n, l, c), or of every example, (n,) or (n, c).

        Returns:
            (n, ceil(l / token_step), ...) where bases have labels: bases 0, token_step, ...; else `values`.
        """
        return values[:, :: self.token_step] if self.of_bases else values
