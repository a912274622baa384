"""The families' concrete classes: each fixes a configuration and the kind of its head.

Importing this file tells transformers' Auto classes about them.
"""

from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from genomelm.models.families import GryphonConfig, HyenaGLTConfig
from genomelm.models.model import GenomeModel


class HyenaGLTForCausalLM(GenomeModel):
    """Next-byte model."""

    config_class = HyenaGLTConfig
    head_kind = "causal_lm"


class HyenaGLTForMaskedLM(GenomeModel):
    """Model of hidden bytes."""

    config_class = HyenaGLTConfig
    head_kind = "masked_lm"


class HyenaGLTForSequenceClassification(GenomeModel):
    """One label a sequence."""

    config_class = HyenaGLTConfig
    head_kind = "sequence_classification"


class HyenaGLTForTokenClassification(GenomeModel):
    """One label a byte."""

    config_class = HyenaGLTConfig
    head_kind = "token_classification"


class HyenaGLTForRegression(GenomeModel):
    """One or more numbers a sequence."""

    config_class = HyenaGLTConfig
    head_kind = "regression"


class HyenaGLTForVariantEffect(GenomeModel):
    """The effect of an alternate against its reference."""

    config_class = HyenaGLTConfig
    head_kind = "variant_effect"


class GryphonForCausalLM(GenomeModel):
    """Next-byte model."""

    config_class = GryphonConfig
    head_kind = "causal_lm"


class GryphonForMaskedLM(GenomeModel):
    """Model of hidden bytes."""

    config_class = GryphonConfig
    head_kind = "masked_lm"


class GryphonForSequenceClassification(GenomeModel):
    """One label a sequence."""

    config_class = GryphonConfig
    head_kind = "sequence_classification"


class GryphonForTokenClassification(GenomeModel):
    """One label a byte."""

    config_class = GryphonConfig
    head_kind = "token_classification"


class GryphonForRegression(GenomeModel):
    """One or more numbers a sequence."""

    config_class = GryphonConfig
    head_kind = "regression"


class GryphonForVariantEffect(GenomeModel):
    """The effect of an alternate against its reference."""

    config_class = GryphonConfig
    head_kind = "variant_effect"


_ALL = (
    HyenaGLTForCausalLM,
    HyenaGLTForMaskedLM,
    HyenaGLTForSequenceClassification,
    HyenaGLTForTokenClassification,
    HyenaGLTForRegression,
    HyenaGLTForVariantEffect,
    GryphonForCausalLM,
    GryphonForMaskedLM,
    GryphonForSequenceClassification,
    GryphonForTokenClassification,
    GryphonForRegression,
    GryphonForVariantEffect,
)

CLASSES = {(model.config_class.model_type, model.head_kind): model for model in _ALL}
"""(model_type, head kind) -> class."""

_AUTO = {
    "causal_lm": AutoModelForCausalLM,
    "masked_lm": AutoModelForMaskedLM,
    "sequence_classification": AutoModelForSequenceClassification,
    "token_classification": AutoModelForTokenClassification,
}

for _config in (GryphonConfig, HyenaGLTConfig):
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    for _kind, _auto in _AUTO.items():
        _auto.register(_config, CLASSES[_config.model_type, _kind], exist_ok=True)
