"""A task file of configs/tasks: where examples and labels come from, and how results are judged."""

from dataclasses import dataclass

import numpy as np

from genomelm.errors import UsageError
from genomelm.seq.alphabet import ALPHABETS
from genomelm.settings import setting

KINDS = ("sequence_classification", "token_classification", "regression", "variant_effect")
SOURCES = {
    "table": ("sequence_classification", "regression", "variant_effect"),
    "gff_coding": ("sequence_classification",),
    "gff_tokens": ("token_classification",),
    "variant_names": ("variant_effect",),
}
"""Sources of examples, and the kinds of task that each can give."""


@dataclass(frozen=True)
class TaskConfig:
    """One labelled task."""

    name: str = setting(help="name of the task; VCF tags are GLM_<NAME>")
    kind: str = setting("regression", "what is learned", choices=KINDS)
    source: str = setting(
        "table",
        "a table of sequences, a table of variant names, or windows of a genome by its GFF: "
        "coding against intergenic, or labelled base by base",
        choices=tuple(SOURCES),
    )
    alphabet: str = setting("dna", "letters of the sequences", choices=tuple(ALPHABETS))
    sequence_column: str = setting("sequence", "table: column of the sequence")
    label_column: str | None = setting(None, "table, variant_names: column of the label")
    bin_columns: tuple[str, ...] = setting((), "table: count columns; the label is the mean bin index")
    variant_column: str | None = setting(
        None, "variant_names: column of names like N127D,A178H, substitutions of the reference"
    )
    first_position: int = setting(1, "variant_names: number of the reference's first letter")
    reference: str | None = setting(
        None,
        "wild type; its patches are used for every example, which have its length: one segmentation for all alleles",
    )
    two_strands: bool = setting(False, "a sequence and its reverse complement share their label")
    window: int = setting(100, "gff_coding, gff_tokens: bases a window", minimum=3)
    stride: int = setting(25, "gff_coding: step between training windows of intergenic sequence", minimum=1)
    windows: int = setting(20000, "gff_tokens: most windows of a split; more are thinned", minimum=1)
    token_step: int = setting(16, "gff_tokens: predictions are judged at every so many-th base", minimum=1)
    target: float | None = setting(None, "metric to reach")
    target_over_baseline: float | None = setting(None, "margin to reach over the strongest baseline")

    def __post_init__(self) -> None:
        faults = [*self._source_faults(), *self._reference_faults()]
        if faults:
            raise UsageError(f"task '{self.name}': " + "; ".join(faults))

    @property
    def metric(self) -> str:
        """Name of the metric: auroc for classifications, pearson for regression and variant effects."""
        return "auroc" if self.kind.endswith("_classification") else "pearson"

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
        """Whether a fixed split file is needed; windows of a genome are split by position."""
        return self.source in ("table", "variant_names")

    @property
    def needs_genome(self) -> bool:
        """Whether the examples are cut from a genome."""
        return not self.needs_split

    def judged(self, values: np.ndarray) -> np.ndarray:
        """Return the entries that the metric reads.

        Args:
            values: labels or predictions of every base, (n, l), or of every example, (n,).

        Returns:
            (n, ceil(l / token_step)) of token tasks: bases 0, token_step, ...; else `values`.
        """
        return values[:, :: self.token_step] if self.kind == "token_classification" else values

    def _source_faults(self) -> list[str]:
        found = []
        if self.source not in SOURCES or self.kind not in KINDS:
            return [f"kind '{self.kind}' or source '{self.source}' is unknown"]
        if self.kind not in SOURCES[self.source]:
            fitting = [source for source, kinds in SOURCES.items() if self.kind in kinds]
            found.append(f"source {self.source} gives no {self.kind}; set source to {' or '.join(fitting)}")
        if self.label_column and self.bin_columns:
            found.append("label_column and bin_columns are both given; drop one")
        if self.bin_columns and self.kind == "sequence_classification":
            found.append("bin_columns give no classes; name a label_column of 0 and 1")
        if self.source == "variant_names":
            if not self.variant_column or not self.label_column:
                found.append("source variant_names needs variant_column and label_column")
            if self.bin_columns:
                found.append("source variant_names reads a label_column, not bin_columns")
        elif self.variant_column or self.first_position != 1:
            found.append("variant_column and first_position are of source variant_names; set it or drop them")
        if self.needs_genome:
            if self.label_column or self.bin_columns:
                found.append(f"source {self.source} makes its own labels; drop label_column and bin_columns")
            if self.alphabet != "dna":
                found.append(f"source {self.source} cuts DNA; set alphabet to dna, not {self.alphabet}")
            if self.reference:
                found.append(f"source {self.source} has no wild type; drop reference")
        if self.source == "gff_tokens" and self.token_step > self.window:
            found.append(f"token_step {self.token_step} is longer than the window of {self.window} bases")
        return found

    def _reference_faults(self) -> list[str]:
        found = []
        if self.alphabet not in ALPHABETS:
            return [f"alphabet '{self.alphabet}' is unknown; choose one of {', '.join(ALPHABETS)}"]
        if self.two_strands and self.alphabet != "dna":
            found.append(f"two_strands is for DNA, and the alphabet is {self.alphabet}; set two_strands to false")
        if self.two_strands and self.reference:
            found.append("reference patches are of one strand; set two_strands to false")
        if self.kind == "variant_effect" and not self.reference:
            found.append("a variant effect is measured against a wild type; give it as reference")
        letters = ALPHABETS[self.alphabet].letters
        if foreign := sorted(set((self.reference or "").upper()) - set(letters)):
            found.append(f"reference has the letter {foreign[0]!r}; {self.alphabet} has {letters}")
        return found
