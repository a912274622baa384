"""The families' concrete classes: each fixes a configuration and the kind of its head.

Importing this file tells transformers' Auto classes about them.
"""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from genomelm.models.config import CLASS_ENDINGS
from genomelm.models.families import CONFIGS, GenomeConfig
from genomelm.models.model import GenomeModel

MEANINGS = {
    "causal_lm": "Next-byte model.",
    "masked_lm": "Model of hidden bytes.",
    "sequence_classification": "One label a sequence.",
    "token_classification": "One label a byte.",
    "regression": "One or more numbers a sequence, or a byte.",
    "variant_effect": "The effect of an alternate against its reference.",
    "multi_task": "Several heads on one trunk.",
}


def _named(config: type[GenomeConfig], ending: str, base: type, **facts: object) -> type[GenomeModel]:
    """Return a new class, which is a name of this module as well, such as HyenaGLTForCausalLM."""
    name = config.__name__.removesuffix("Config") + ending
    globals()[name] = type(name, (base,), {"__module__": __name__, "config_class": config, **facts})
    return globals()[name]


FAMILIES = {
    config.model_type: _named(config, "Model", GenomeModel, __doc__="A model of this family with any head.")
    for config in CONFIGS.values()
}
"""model_type -> class of all its models, which AutoModel loads, such as HyenaGLTModel."""

CLASSES = {
    (family, kind): _named(CONFIGS[family], CLASS_ENDINGS[kind], base, __doc__=MEANINGS[kind], head_kind=kind)
    for family, base in FAMILIES.items()
    for kind in MEANINGS
}
"""(model_type, head kind) -> class."""

_AUTO = {
    "causal_lm": AutoModelForCausalLM,
    "masked_lm": AutoModelForMaskedLM,
    "sequence_classification": AutoModelForSequenceClassification,
    "token_classification": AutoModelForTokenClassification,
}

for _config in CONFIGS.values():
    AutoConfig.register(_config.model_type, _config, exist_ok=True)
    AutoModel.register(_config, FAMILIES[_config.model_type], exist_ok=True)
    for _kind, _auto in _AUTO.items():
        _auto.register(_config, CLASSES[_config.model_type, _kind], exist_ok=True)
