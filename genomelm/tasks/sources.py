"""Sources of task data, and what each can give."""

KINDS = ("sequence_classification", "token_classification", "regression", "variant_effect")
SOURCES = {
    "table": ("sequence_classification", "regression", "variant_effect"),
    "fasta": ("sequence_classification", "regression"),
    "bed": ("sequence_classification", "regression"),
    "gff_coding": ("sequence_classification",),
    "gff_tokens": ("token_classification",),
    "gff_classes": ("sequence_classification", "token_classification"),
    "bigwig": ("regression",),
    "vcf": ("variant_effect",),
    "variant_names": ("variant_effect",),
}
"""Sources of examples, and the kinds of task that each can give."""
WINDOWS = ("gff_coding", "gff_tokens", "gff_classes", "bigwig")
"""Sources that lay windows over a genome, and make the labels themselves."""
GENOMIC = (*WINDOWS, "bed", "vcf")
"""Sources whose sequences come from a genome."""
WIDTH = 100
"""Bases of a window where the task says nothing."""
