"""Models: the byte-latent shell, its backbones and heads, and how they are saved and loaded.

Importing the room is cheap: torch loads when one of its names is first used. The configs of model files
(`genomelm.models.config`) need no torch. Any name below also tells transformers' Auto classes about the families,
so that `AutoModelForCausalLM.from_pretrained(directory)` finds them.
"""

from importlib import import_module
from typing import Any

from genomelm.models.config import CLASS_ENDINGS

_FAMILIES = ("HyenaGLT", "Gryphon", "Transformer", "CNN", "HyenaDNA")
_HOMES = {
    "GenomeModel": "model",
    "load_model": "loading",
    **{f"{family}Config": "families" for family in _FAMILIES},
    **{f"{family}{ending}": "classes" for family in _FAMILIES for ending in ("Model", *CLASS_ENDINGS.values())},
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'genomelm.models' has no attribute '{name}'")
    import_module("genomelm.models.classes")  # registers the families
    return getattr(import_module(f"genomelm.models.{_HOMES[name]}"), name)
