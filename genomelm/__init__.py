"""genomelm: byte-latent genome models, from a FASTA and a VCF to scores and a report.

Importing the package is cheap: torch loads when a name of the Python interface is first used.
"""

from importlib import import_module
from typing import Any

__all__ = [
    "attribute",
    "base_logits",
    "decode",
    "embed",
    "encode",
    "generate",
    "load_model",
    "log_likelihood",
    "predict",
    "saturate",
    "score_variants",
    "segment",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("genomelm.api"), name)
    raise AttributeError(f"module 'genomelm' has no attribute '{name}'")
