"""Models: the byte-latent shell, its backbones and heads, and how they are saved and loaded.

Importing this room tells transformers' Auto classes about the families, so that
`AutoModelForCausalLM.from_pretrained(directory)` finds them.
"""

from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from genomelm.models.classes import (
    GryphonForCausalLM,
    GryphonForMaskedLM,
    GryphonForRegression,
    GryphonForSequenceClassification,
    GryphonForTokenClassification,
    GryphonForVariantEffect,
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForRegression,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
    HyenaGLTForVariantEffect,
)
from genomelm.models.families import GryphonConfig, HyenaGLTConfig
from genomelm.models.loading import load_model
from genomelm.models.model import GenomeModel

for _config, *_models in (
    (
        GryphonConfig,
        GryphonForCausalLM,
        GryphonForMaskedLM,
        GryphonForSequenceClassification,
        GryphonForTokenClassification,
    ),
    (
        HyenaGLTConfig,
        HyenaGLTForCausalLM,
        HyenaGLTForMaskedLM,
        HyenaGLTForSequenceClassification,
        HyenaGLTForTokenClassification,
    ),
):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    for _auto, _model in zip(
        (
            AutoModelForCausalLM,
            AutoModelForMaskedLM,
            AutoModelForSequenceClassification,
            AutoModelForTokenClassification,
        ),
        _models,
        strict=True,
    ):
        _auto.register(_config, _model, exist_ok=True)

__all__ = [
    "GenomeModel",
    "GryphonConfig",
    "GryphonForCausalLM",
    "GryphonForMaskedLM",
    "GryphonForRegression",
    "GryphonForSequenceClassification",
    "GryphonForTokenClassification",
    "GryphonForVariantEffect",
    "HyenaGLTConfig",
    "HyenaGLTForCausalLM",
    "HyenaGLTForMaskedLM",
    "HyenaGLTForRegression",
    "HyenaGLTForSequenceClassification",
    "HyenaGLTForTokenClassification",
    "HyenaGLTForVariantEffect",
    "load_model",
]
