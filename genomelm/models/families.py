"""The families' configurations on disk, and the backbone that each names."""

from transformers import PretrainedConfig

from genomelm.models.config import (
    FORMAT_VERSION,
    LANGUAGE_HEADS,
    GryphonBackboneConfig,
    HeadConfig,
    HyenaConfig,
    Settings,
    ShellConfig,
)
from genomelm.models.gryphon import GryphonBackbone
from genomelm.models.hyena_glt import HyenaBackbone
from genomelm.settings import from_mapping, to_mapping

BACKBONES = {
    "genomelm_hyena_glt": (HyenaConfig, HyenaBackbone),
    "genomelm_gryphon": (GryphonBackboneConfig, GryphonBackbone),
}
"""model_type -> config class and module of the backbone."""


class GenomeConfig(PretrainedConfig):
    """Configuration on disk: plain mappings of the dataclasses in models/config.py."""

    model_type = ""

    def __init__(
        self,
        shell: dict | None = None,
        backbone: dict | None = None,
        head: dict | None = None,
        format_version: int = FORMAT_VERSION,
        **rest,
    ) -> None:
        super().__init__(**rest)
        read = from_mapping(ShellConfig, shell or {}, "config.json: shell")
        self.shell = to_mapping(read)
        self.backbone = to_mapping(from_mapping(BACKBONES[self.model_type][0], backbone or {}, "config.json: backbone"))
        head = {"kind": LANGUAGE_HEADS[read.objective], **(head or {})}
        self.head = to_mapping(from_mapping(HeadConfig, head, "config.json: head"))
        self.format_version = format_version

    @classmethod
    def tiny(cls, objective: str = "causal") -> "GenomeConfig":
        """Return the size for a laptop's CPU: under a million parameters."""
        return cls({"objective": objective, "window": 2 if objective == "causal" else 3})


class HyenaGLTConfig(GenomeConfig):
    """Hyena-GLT."""

    model_type = "genomelm_hyena_glt"
    __init__ = GenomeConfig.__init__  # a subclass without one would get one made by transformers


class GryphonConfig(GenomeConfig):
    """Gryphon."""

    model_type = "genomelm_gryphon"
    __init__ = GenomeConfig.__init__  # a subclass without one would get one made by transformers


CONFIGS = {config.model_type: config for config in (HyenaGLTConfig, GryphonConfig)}
"""model_type -> its config class."""


def config_of(settings: Settings) -> GenomeConfig:
    """Return the configuration of a language model with these settings."""
    return CONFIGS[f"genomelm_{settings.family}"](to_mapping(settings.shell), to_mapping(settings.backbone))
