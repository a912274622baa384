"""What contradicts itself in a task file, all at once."""

from typing import TYPE_CHECKING

from genomelm.seq.alphabet import ALPHABETS
from genomelm.tasks import sources

if TYPE_CHECKING:
    from genomelm.tasks.config import TaskConfig


def config_faults(task: "TaskConfig") -> list[str]:
    """Return the contradictions of a task's settings, each with what to change."""
    if task.source not in sources.SOURCES or task.kind not in sources.KINDS:
        found = [f"kind '{task.kind}' or source '{task.source}' is unknown"]
    else:
        found = [*_kind_faults(task), *_label_faults(task), *_genome_faults(task), *_split_faults(task)]
    return [*found, *_reference_faults(task)]


def _kind_faults(task: "TaskConfig") -> list[str]:
    found = []
    if task.kind not in sources.SOURCES[task.source]:
        fitting = [source for source, kinds in sources.SOURCES.items() if task.kind in kinds]
        found.append(f"source {task.source} gives no {task.kind}; set source to {' or '.join(fitting)}")
    if task.source == "variant_names":
        if not task.variant_column or not (task.label_column or task.label_columns):
            found.append("source variant_names needs variant_column and label_column")
        if task.bin_columns:
            found.append("source variant_names reads a label_column, not bin_columns")
    elif task.variant_column or task.first_position != 1:
        found.append("variant_column and first_position are of source variant_names; set it or drop them")
    if task.alt_column and (task.source, task.kind) != ("table", "variant_effect"):
        found.append("alt_column is of source table and kind variant_effect; set them or drop it")
    if task.per_base and task.source != "bigwig":
        found.append("per_base is of source bigwig; set it or drop per_base")
    if task.source == "gff_classes":
        if not task.features:
            found.append("source gff_classes needs features, from feature types to classes")
        elif len(task.class_names) < 2:
            found.append("features name one class only; name another one, or a background")
    elif task.features or task.background:
        found.append("features and background are of source gff_classes; set it or drop them")
    return found


def _label_faults(task: "TaskConfig") -> list[str]:
    found = []
    given = [name for name in ("label_column", "label_columns", "bin_columns") if getattr(task, name)]
    if len(given) > 1:
        found.append(f"{' and '.join(given)} are both given; drop one")
    if task.bin_columns and task.source not in ("table", "variant_names", *sources.WINDOWS):
        found.append("bin_columns are of source table; name a label_column")
    if task.bin_columns and task.kind == "sequence_classification":
        found.append("bin_columns give no classes; name a label_column of 0 and 1")
    if len(task.label_columns) == 1 or len(set(task.label_columns)) < len(task.label_columns):
        found.append("label_columns names one column, or one of them twice; name several, or give label_column")
    if task.classes:
        if task.kind != "sequence_classification" or task.source in sources.WINDOWS:
            found.append("classes are of a sequence_classification whose labels stand in a file; drop them")
        if len(task.classes) == 1 or len(set(task.classes)) < len(task.classes):
            found.append("classes names one class, or one of them twice; name each once")
        if task.label_columns:
            found.append("classes are those of one label_column, and label_columns are several; drop one")
    if task.source in ("bed", "vcf") and not given:
        found.append(f"source {task.source} needs a label_column")
    return found


def _genome_faults(task: "TaskConfig") -> list[str]:
    found = []
    if task.source in sources.WINDOWS and (task.label_column or task.label_columns or task.bin_columns):
        found.append(f"source {task.source} makes its own labels; drop label_column and bin_columns")
    if task.needs_genome:
        if task.alphabet != "dna":
            found.append(f"source {task.source} cuts DNA; set alphabet to dna, not {task.alphabet}")
        if task.reference:
            found.append(f"source {task.source} has no wild type; drop reference")
    elif task.window is not None:
        found.append(f"source {task.source} has sequences of its own; drop window")
    if task.of_bases and task.token_step > task.width:
        found.append(f"token_step {task.token_step} is longer than the window of {task.width} bases")
    return found


def _split_faults(task: "TaskConfig") -> list[str]:
    found, way = task.split.faults(), task.split.way
    if way == "place" and not task.needs_genome:
        found.append(f"source {task.source} has no places on a genome; split by group or sequence, or by a file")
    if task.source in sources.WINDOWS and way in ("group", "sequence"):
        found.append(f"source {task.source} lays windows side by side, which are split by place, not by {way}")
    return found


def _reference_faults(task: "TaskConfig") -> list[str]:
    found = []
    if task.alphabet not in ALPHABETS:
        return [f"alphabet '{task.alphabet}' is unknown; choose one of {', '.join(ALPHABETS)}"]
    if task.two_strands and task.alphabet != "dna":
        found.append(f"two_strands is for DNA, and the alphabet is {task.alphabet}; set two_strands to false")
    if task.two_strands and task.reference:
        found.append("reference patches are of one strand; set two_strands to false")
    if task.kind == "variant_effect" and task.source != "vcf":
        if not task.reference and not task.alt_column:
            found.append(
                "a variant effect is measured against a wild type; give it as reference, or (source table) each row's "
                "alternate as alt_column"
            )
        if task.reference and task.alt_column:
            found.append("reference is one wild type for all rows, and alt_column gives each row its own; drop one")
    letters = ALPHABETS[task.alphabet].letters
    if foreign := sorted(set((task.reference or "").upper()) - set(letters)):
        found.append(f"reference has the letter {foreign[0]!r}; {task.alphabet} has {letters}")
    return found
