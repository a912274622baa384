"""Models: the byte-latent shell, its backbones and heads, and how they are saved and loaded.

Importing this room tells transformers' Auto classes about the families, so that
`AutoModelForCausalLM.from_pretrained(directory)` finds them.
"""

from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from genomelm.models.loading import load_model
from genomelm.models.model import (
    GenomeModel,
    HyenaGLTConfig,
    HyenaGLTForCausalLM,
    HyenaGLTForRegression,
    HyenaGLTForSequenceClassification,
)

AutoConfig.register(HyenaGLTConfig.model_type, HyenaGLTConfig, exist_ok=True)
AutoModelForCausalLM.register(HyenaGLTConfig, HyenaGLTForCausalLM, exist_ok=True)
AutoModelForSequenceClassification.register(HyenaGLTConfig, HyenaGLTForSequenceClassification, exist_ok=True)

__all__ = [
    "GenomeModel",
    "HyenaGLTConfig",
    "HyenaGLTForCausalLM",
    "HyenaGLTForRegression",
    "HyenaGLTForSequenceClassification",
    "load_model",
]
