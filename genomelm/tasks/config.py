"""A task file of configs/tasks: where examples and labels come from, and how results are judged."""

from dataclasses import dataclass

from genomelm.errors import UsageError
from genomelm.settings import setting


@dataclass(frozen=True)
class TaskConfig:
    """One labelled task."""

    name: str = setting(help="name of the task; VCF tags are GLM_<NAME>")
    kind: str = setting("regression", "what is learned", choices=("sequence_classification", "regression"))
    source: str = setting("table", "table of sequences, or coding windows from a GFF", choices=("table", "gff_coding"))
    sequence_column: str = setting("sequence", "table: column of the sequence")
    label_column: str | None = setting(None, "table: column of the label")
    bin_columns: tuple[str, ...] = setting((), "table: count columns; the label is the mean bin index")
    reference: str | None = setting(
        None, "sequence whose patches are used for every example of its length: one segmentation for all alleles"
    )
    two_strands: bool = setting(False, "a sequence and its reverse complement share their label")
    window: int = setting(100, "gff_coding: bases a window", minimum=3)
    stride: int = setting(25, "gff_coding: step between training windows of intergenic sequence", minimum=1)
    target: float | None = setting(None, "metric to reach")
    target_over_baseline: float | None = setting(None, "margin to reach over the k-mer baseline")

    def __post_init__(self) -> None:
        if self.reference and self.two_strands:
            raise UsageError(f"task '{self.name}': reference patches are of one strand; set two_strands to false")

    @property
    def metric(self) -> str:
        """Name of the metric: auroc for a classification, pearson for a regression."""
        return "pearson" if self.kind == "regression" else "auroc"
